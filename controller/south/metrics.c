#include "controller/south/private.h"
#include <inttypes.h>

/* Prints what each connected host reported last; the values go with the host's session. */
static void print_hosts(struct skr_south *south, FILE *out)
{
    static const struct {
        const char *name, *type, *help;
        size_t offset;
    } metrics[] = {
            {"skerry_host_dropped_packets_total", "counter", "Packets that a host's fast path dropped",
             offsetof(struct skr_registry_counters, dropped_packets)},
            {"skerry_host_rx_packets", "gauge", "Packets to the VMs that are bound on a host now",
             offsetof(struct skr_registry_counters, rx_packets)},
            {"skerry_host_tx_packets", "gauge", "Packets from the VMs that are bound on a host now",
             offsetof(struct skr_registry_counters, tx_packets)},
    };
    size_t count;
    SKR_CLEANUP(skr_free_cleanup) struct skr_registry_row *rows = skr_registry_rows(&south->registry, &count);
    for (size_t i = 0; i < SKR_ARRAY_SIZE(metrics) && count > 0; i++) {
        fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", metrics[i].name, metrics[i].help, metrics[i].name,
                metrics[i].type);
        for (size_t k = 0; k < count; k++) {
            char id[SKR_UUID_TEXT_MAX];
            uint64_t value;
            memcpy(&value, (const char *)&rows[k].counters + metrics[i].offset, sizeof(value));
            fprintf(out, "%s{host_id=\"%s\"} %" PRIu64 "\n", metrics[i].name, skr_uuid_format(&rows[k].host_id, id),
                    value);
        }
    }
}

void skr_south_metrics(void *south, FILE *out)
{
    struct skr_south_stats stats;
    skr_south_stats(south, &stats);
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } metrics[] = {
            {"skerry_agent_sessions", "gauge", "Agents connected now", stats.sessions},
            {"skerry_agent_handshakes_total", "counter", "TLS handshakes completed", stats.handshakes},
            {"skerry_agent_enrolments_total", "counter", "Enrolments granted", stats.enrolments},
            {"skerry_agent_refused_total", "counter", "Connections refused", stats.refused},
            {"skerry_agent_frames_received_total", "counter", "Frames from agents", stats.frames_in},
            {"skerry_agent_frames_sent_total", "counter", "Frames to agents", stats.frames_out},
            {"skerry_agent_bytes_received_total", "counter", "Bytes of frames from agents", stats.bytes_in},
            {"skerry_agent_bytes_sent_total", "counter", "Bytes of frames to agents", stats.bytes_out},
            {"skerry_agent_reports_total", "counter", "Reports taken from agents", stats.reports},
    };
    for (size_t i = 0; i < SKR_ARRAY_SIZE(metrics); i++)
        fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", metrics[i].name, metrics[i].help, metrics[i].name,
                metrics[i].type, metrics[i].name, metrics[i].value);
    print_hosts(south, out);
}
