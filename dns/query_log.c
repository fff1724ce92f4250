#include "dns/query_log.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/log.h"
#include "dns/wire.h"
#include "zones/zone_text.h"

bool query_log_picks(struct query_log *log, uint32_t one_of, int64_t now_us)
{
    if (log->until_next > 0 && log->until_next < one_of) {
        log->until_next--;
        return false;
    }
    log->until_next = one_of - 1;
    if (log->second != now_us / 1000000) {
        log->second = now_us / 1000000;
        log->lines = 0;
    }
    if (log->lines++ < QUERY_LOG_PER_S)
        return true;
    log->skipped++;
    return false;
}

static const char *rcode_text(const uint8_t *response, size_t size, bool is_relayed, char out[16])
{
    const char *word = is_relayed  ? "forwarded"
                       : size == 0 ? "none"
                                   : counters_rcode_word(response[3] & 15U);
    if (word)
        return word;
    (void)snprintf(out, 16, "%u", response[3] & 15U);
    return out;
}

void query_log_write(struct query_log *log, const struct dns_peer *peer, const uint8_t *packet,
                     size_t len, const uint8_t *response, size_t size, bool is_relayed)
{
    char client[INET6_ADDRSTRLEN], name[NAME_TEXT_MAX] = "-", type[16] = "-", rcode[16];
    unsigned class = 0;
    size_t name_len =
        get16(packet + 4) == 1 ? name_wire_len(packet + DNS_HEADER_SIZE, len - DNS_HEADER_SIZE) : 0;
    if (name_len > 0 && len - DNS_HEADER_SIZE - name_len >= 4) {
        const uint8_t *behind = packet + DNS_HEADER_SIZE + name_len;
        name_format(packet + DNS_HEADER_SIZE, name);
        zone_text_type(get16(behind), type);
        class = get16(behind + 2);
    }
    inet_ntop(peer->addr_len == 4 ? AF_INET : AF_INET6, peer->addr, client, sizeof client);
    log_info("client=%s proto=%s name=%s class=%u type=%s rcode=%s octets=%zu skipped=%llu", client,
             peer->proto == DNS_UDP ? "udp" : "tcp", name, class, type,
             rcode_text(response, size, is_relayed, rcode), size, (unsigned long long)log->skipped);
    log->skipped = 0;
}
