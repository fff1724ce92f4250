#include "dns/counters.h"

#include <stddef.h>

static const char *const rcode_words[DNS_RCODES] = {
    [0] = "noerror", [1] = "formerr", [2] = "servfail", [3] = "nxdomain",
    [4] = "notimp",  [5] = "refused", [9] = "notauth",  [16] = "badvers",
};

const char *counters_rcode_word(unsigned rcode)
{
    return rcode < DNS_RCODES ? rcode_words[rcode] : NULL;
}

const char *counters_drop_word(enum dns_drop reason)
{
    switch (reason) {
    case DROP_SHORT:
        return "short";
    case DROP_QR:
        return "qr";
    case DROP_PORT:
        return "port";
    case DROP_ACL:
        return "acl";
    case DROP_ERROR_RATE:
        return "rate";
    case DROP_OVERLOAD:
        return "overload";
    case DROP_SEND:
        return "send";
    case DROP_CLIENT:
        return "client";
    case DROP_REASONS:
        break;
    }
    return NULL;
}

const char *counters_close_word(enum dns_tcp_close reason)
{
    switch (reason) {
    case TCP_CLOSE_CLIENT:
        return "client";
    case TCP_CLOSE_RESET:
        return "reset";
    case TCP_CLOSE_IDLE:
        return "idle";
    case TCP_CLOSE_MESSAGE:
        return "slow";
    case TCP_CLOSE_STALLED:
        return "stalled";
    case TCP_CLOSE_SHORT:
        return "short";
    case TCP_CLOSE_EVICTED:
        return "evicted";
    case TCP_CLOSE_REFUSED:
        return "refused";
    case TCP_CLOSE_TRANSFER:
        return "transfer";
    case TCP_CLOSE_STOP:
        return "stop";
    case TCP_CLOSE_REASONS:
        break;
    }
    return NULL;
}

const char *counters_edns_word(enum dns_edns_error kind)
{
    switch (kind) {
    case EDNS_MALFORMED:
        return "malformed";
    case EDNS_BADVERS:
        return "badvers";
    case EDNS_BAD_COOKIE:
        return "cookie";
    case EDNS_ERRORS:
        break;
    }
    return NULL;
}

const char *counters_transfer_word(enum dns_transfer result)
{
    switch (result) {
    case TRANSFER_DONE:
        return "done";
    case TRANSFER_DENIED:
        return "denied";
    case TRANSFER_QUOTA:
        return "quota";
    case TRANSFER_CLOSED:
        return "closed";
    case TRANSFER_STALLED:
        return "stalled";
    case TRANSFER_TIME:
        return "time";
    case TRANSFER_MEMORY:
        return "memory";
    case TRANSFER_RECORD:
        return "record";
    case TRANSFER_STOP:
        return "stop";
    case TRANSFER_RESULTS:
        break;
    }
    return NULL;
}
