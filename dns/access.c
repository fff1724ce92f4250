#include "dns/access.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static bool has_prefix(const uint8_t *addr, const uint8_t *prefix, unsigned bits)
{
    if (memcmp(addr, prefix, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    return rest == 0 || ((addr[bits / 8] ^ prefix[bits / 8]) >> (8 - rest)) == 0;
}

static bool is_clear_beyond(const struct access_network *net)
{
    for (unsigned bit = net->bits; bit < net->addr_len * 8U; bit++) {
        if (net->addr[bit / 8] & (0x80 >> bit % 8))
            return false;
    }
    return true;
}

static bool parse_network(const char *text, struct access_network *net)
{
    char addr[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "/");
    if (len >= sizeof addr)
        return false;
    memcpy(addr, text, len);
    addr[len] = '\0';
    if (inet_pton(AF_INET, addr, net->addr) == 1)
        net->addr_len = 4;
    else if (inet_pton(AF_INET6, addr, net->addr) == 1)
        net->addr_len = 16;
    else
        return false;
    net->bits = (uint8_t)(net->addr_len * 8);
    if (text[len] == '/') {
        char *end;
        if (text[len + 1] < '0' || text[len + 1] > '9' ||
            (text[len + 1] == '0' && text[len + 2] != '\0'))
            return false;
        unsigned long bits = strtoul(text + len + 1, &end, 10);
        if (*end != '\0' || bits > net->bits)
            return false;
        net->bits = (uint8_t)bits;
    }
    return is_clear_beyond(net);
}

int access_list_init(struct access_list *list, const char *option, const char *const *texts,
                     size_t count, struct err *e)
{
    *list = (struct access_list){.networks = xcalloc(count ? count : 1, sizeof *list->networks)};
    for (size_t i = 0; i < count; i++) {
        if (strcmp(texts[i], "any") == 0) {
            list->any = true;
        } else if (parse_network(texts[i], &list->networks[list->count])) {
            list->count++;
        } else {
            access_list_fini(list);
            return err_set(e, ERR_INVALID, "%s: \"%s\" is no network like 10.0.0.0/8 or fd00::/8",
                           option, texts[i]);
        }
    }
    return 0;
}

void access_list_fini(struct access_list *list)
{
    free(list->networks);
    *list = (struct access_list){0};
}

bool access_list_has(const struct access_list *list, const uint8_t *addr, size_t addr_len)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct access_network *net = &list->networks[i];
        if (net->addr_len == addr_len && has_prefix(addr, net->addr, net->bits))
            return true;
    }
    return false;
}
