#include "controller/south/south.h"
#include <inttypes.h>

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
}
