/* base/list.h - intrusive doubly linked list with a head node. Borrows its members; no allocation.
 * One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}
static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}
/* True for a node that is on a list (an initialised or removed node is not). */
static inline bool list_is_linked(const struct list *node)
{
    return node->next && node->next != node;
}
static inline void list_push_back(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}
static inline void list_push_front(struct list *head, struct list *node)
{
    list_push_back(head->next, node);
}
static inline void list_remove(struct list *node)
{
    if (node->next) {
        node->next->prev = node->prev;
        node->prev->next = node->next;
    }
    list_init(node);
}
/* Removes the first node of a list that is not empty: for loops that empty a list while whatever
 * they call may remove others from it. */
static inline struct list *list_take_first(struct list *head)
{
    struct list *node = head->next;
    head->next = node->next;
    node->next->prev = head;
    list_init(node);
    return node;
}

#define LIST_ENTRY(ptr, type, member)                                                              \
    ((type *)(void *)((char *)(ptr)-offsetof(type,                                                 \
                                             member))) /* NOLINT(bugprone-macro-parentheses) */
/* NOLINTBEGIN(bugprone-macro-parentheses): `it` is a name, not an expression */
/* Safe against removal of the current node. */
#define LIST_FOREACH(it, head)                                                                     \
    for (struct list *it = (head)->next, *it##_next_ = it->next; it != (head);                     \
         it = it##_next_, it##_next_ = it->next)
/* NOLINTEND(bugprone-macro-parentheses) */
