/* controller/store/unconst.h - the owner's way back from a const pointer it handed out; private to
 * the store. */
#pragma once

static inline void *unconst(const void *ptr)
{
    union {
        const void *in;
        void *out;
    } both = {.in = ptr};
    return both.out;
}
