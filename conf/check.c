#include "conf/check.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

static bool is_address(const char *text)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* An address, or a link-local one with its interface: fe80::1%eth0 (RFC 4007 section 11). */
static bool is_scoped_address(const char *text)
{
    char address[INET6_ADDRSTRLEN];
    const char *scope = strchr(text, '%');
    size_t len = scope ? (size_t)(scope - text) : 0;
    uint8_t bytes[16];
    if (!scope)
        return is_address(text);
    if (len >= sizeof address || scope[1] == '\0' || strlen(scope + 1) >= IF_NAMESIZE)
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    return inet_pton(AF_INET6, address, bytes) == 1 && bytes[0] == 0xfe &&
           (bytes[1] & 0xc0) == 0x80 && strcspn(scope + 1, "]:/ \t") == strlen(scope + 1);
}

static bool parse_number(const char *text, long min, long max, long *out)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' && *out >= min && *out <= max;
}

/* Splits "ADDR:PORT" or "[ADDR]:PORT" into host (no brackets) and port; false when it is neither.
 */
static bool endpoint_split(const char *value, char host[64], const char **port)
{
    const char *colon = strrchr(value, ':');
    size_t len = colon ? (size_t)(colon - value) : 0;
    if (len == 0 || len >= 64)
        return false;
    const char *start = value;
    bool is_bracketed = value[0] == '[';
    if (is_bracketed) {
        if (value[len - 1] != ']' || len < 3)
            return false;
        start++;
        len -= 2;
    }
    memcpy(host, start, len);
    host[len] = '\0';
    *port = colon + 1;
    return is_bracketed == (strchr(host, ':') != NULL);
}

static const char *check_host_and_port(const char *value, bool (*is_host)(const char *))
{
    char host[64];
    const char *port;
    long number;
    if (!endpoint_split(value, host, &port))
        return "is not ADDR:PORT (IPv6 as [ADDR]:PORT)";
    if (!is_host(host))
        return "does not begin with an IP address";
    return parse_number(port, 0, 65535, &number) ? NULL : "does not end in a port from 0 to 65535";
}

const char *check_endpoint(const char *value)
{
    return check_host_and_port(value, is_address);
}

const char *check_scoped_endpoint(const char *value)
{
    return check_host_and_port(value, is_scoped_address);
}

bool endpoint_needs_tls(const char *value)
{
    char host[64];
    const char *port;
    uint8_t bytes[16];
    static const uint8_t one[16] = {[15] = 1};
    if (strncmp(value, "https://", 8) == 0 || !endpoint_split(value, host, &port))
        return true;
    if (inet_pton(AF_INET, host, bytes) == 1)
        return bytes[0] != 127;
    return inet_pton(AF_INET6, host, bytes) != 1 || memcmp(bytes, one, sizeof one) != 0;
}

const char *check_api_listen(const char *value)
{
    return check_endpoint(strncmp(value, "https://", 8) == 0 ? value + 8 : value);
}

const char *check_address(const char *value)
{
    return is_address(value) ? NULL : "is not an IP address";
}

const char *check_upstream(const char *value)
{
    bool is_bare = is_scoped_address(value);
    const char *wrong = is_bare ? NULL : check_scoped_endpoint(value);
    size_t len = strlen(value);
    if (!wrong && len > 2 && strcmp(value + len - 2, ":0") == 0 && !is_bare)
        return "has port 0";
    return wrong ? "is not ADDR or ADDR:PORT (IPv6 with a port as [ADDR]:PORT)" : NULL;
}

const char *check_forward_zone(const char *value)
{
    const char *equals = strchr(value, '=');
    char zone[128], word[80];
    if (!equals || equals == value || (size_t)(equals - value) >= sizeof zone)
        return "does not begin with a domain name";
    memcpy(zone, value, (size_t)(equals - value));
    zone[equals - value] = '\0';
    size_t len = strlen(zone);
    if (zone[len - 1] == '.')
        zone[len - 1] = '\0';
    if (check_zone(zone))
        return "does not begin with a domain name";
    size_t addresses = 0;
    for (const char *at = equals + 1 + strspn(equals + 1, " \t"); *at; at += strspn(at, " \t")) {
        size_t size = strcspn(at, " \t");
        if (size >= sizeof word)
            return "has an upstream that is no address";
        memcpy(word, at, size);
        word[size] = '\0';
        if (check_upstream(word))
            return "has an upstream that is no address";
        at += size;
        addresses++;
    }
    return addresses ? NULL : "has no upstream";
}

const char *check_cidr(const char *value)
{
    char host[64];
    const char *slash = strchr(value, '/');
    if (!slash || (size_t)(slash - value) >= sizeof host)
        return "is not a network such as 10.244.0.0/16";
    memcpy(host, value, (size_t)(slash - value));
    host[slash - value] = '\0';
    uint8_t bytes[16] = {0};
    long bits, prefix;
    if (inet_pton(AF_INET, host, bytes) == 1)
        bits = 32;
    else if (inet_pton(AF_INET6, host, bytes) == 1)
        bits = 128;
    else
        return "does not begin with an IP address";
    if (!parse_number(slash + 1, 0, bits, &prefix))
        return "has a prefix length out of range";
    if (slash[1] == '0' && slash[2] != '\0')
        return "has a prefix length with a leading zero";
    for (long bit = prefix; bit < bits; bit++)
        if (bytes[bit / 8] & (0x80 >> (bit % 8)))
            return "has bits set beyond its prefix length";
    return NULL;
}

const char *check_network(const char *value)
{
    if (strcmp(value, "any") == 0 || is_address(value))
        return NULL;
    return strchr(value, '/') ? check_cidr(value) : "is not \"any\", an address or a network";
}

const char *check_transfer(const char *value)
{
    const char *why = check_network(value);
    bool is_name = why && !strpbrk(value, "/:") && check_zone(value) == NULL;
    return is_name && (*value < '0' || *value > '9')
               ? "is not a network; this version has no TSIG keys"
               : why;
}

const char *check_nsid(const char *value)
{
    return strlen(value) <= 128 ? NULL : "is longer than 128 octets";
}

const char *check_chaos(const char *value)
{
    return strlen(value) <= 255 ? NULL : "is longer than 255 octets";
}

/* With 120 octets every namespace and Service keeps its name within 255 (K-NAMES): two labels of 63
 * and "svc". */
const char *check_zone(const char *value)
{
    size_t total = 0, label = 0;
    for (const char *at = value; *at; at++, total++) {
        if (*at == '.') {
            if (label == 0)
                return "has an empty label";
            label = 0;
        } else if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_",
                           *at)) {
            return "is not a domain name";
        } else if (++label > 63) {
            return "has a label longer than 63 octets";
        }
    }
    return total == 0 ? "is empty" : total > 120 ? "is longer than 120 octets" : NULL;
}

/* The labels in front of a reverse root are octets in decimal or nibbles in hexadecimal, and an
 * address has no more of them. */
static bool is_address_path(const char *text, size_t len, bool is_v4)
{
    size_t labels = 0;
    for (size_t at = 0, n; at < len; at += n + 1) {
        const char *label = text + at;
        n = 0;
        while (at + n < len && isxdigit((unsigned char)label[n]))
            n++;
        long octet = is_v4 && n > 0 && n <= 3 ? strtol(label, NULL, 10) : -1;
        size_t digits = octet < 0 ? 0 : octet < 10 ? 1 : octet < 100 ? 2 : 3;
        if (n == 0 || (is_v4 ? n != digits || octet > 255 : n != 1) || label[n] != '.')
            return false;
        labels++;
    }
    return labels <= (is_v4 ? 4 : 32);
}

const char *check_reverse(const char *value)
{
    static const char *const roots[] = {"in-addr.arpa", "ip6.arpa"};
    if (strchr(value, '/'))
        return check_cidr(value);
    size_t len = strlen(value);
    if (len && value[len - 1] == '.')
        len--;
    for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
        size_t root = strlen(roots[i]);
        if (len >= root && strncasecmp(value + len - root, roots[i], root) == 0 &&
            is_address_path(value, len - root, i == 0))
            return NULL;
    }
    return "is neither a network nor the reverse name of one, such as 244.10.in-addr.arpa";
}

const char *check_socket(const char *value)
{
    if (*value == '\0')
        return NULL;
    if (*value != '/')
        return "is not an absolute path";
    return strlen(value) < sizeof((struct sockaddr_un *)NULL)->sun_path
               ? NULL
               : "is too long for a socket";
}

const char *check_path(const char *value)
{
    return *value ? NULL : "is empty";
}

const char *check_class(const char *value)
{
    size_t len = strlen(value);
    if (len == 0)
        return NULL;
    if (len > 253 || strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-.") != len ||
        strchr("-.", value[0]) || strchr("-.", value[len - 1]))
        return "is not a name of lower case letters, digits, '-' and '.'";
    return NULL;
}

const char *check_prefix(const char *value)
{
    long number;
    return parse_number(value, 1, 128, &number) ? NULL : "is not a prefix length";
}
