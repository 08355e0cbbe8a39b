/* The eBPF programs in a test: loads a build of the object with private maps, fills them, runs frames through
 * BPF_PROG_TEST_RUN and hands back bytes, tc action and the verdict in cb[]. Needs root. Failures abort the test with
 * what happened. Also builders of the frames that tests send. */
#pragma once

#include <bpf/libbpf.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <skerry/abi/drop_reasons.h>
#include <skerry/abi/fastpath.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRAMS_FRAME_MAX 3000

struct programs {
    struct bpf_object *object;
    int port, uplink, egress; /* program descriptors */
};

struct verdict {
    int action;
    uint32_t verdict, reason, target, vsid, pa;
    size_t length;
    uint8_t bytes[PROGRAMS_FRAME_MAX + 256];
};

/* path NULL: environment SKR_BPF_OBJECT, else this build. probe: no copies, no events. */
void programs_open(struct programs *programs, const char *path, bool probe);
void programs_close(struct programs *programs);
int programs_map(const struct programs *programs, const char *name);
void programs_put(const struct programs *programs, const char *table, const void *key, const void *value);
void programs_remove(const struct programs *programs, const char *table, const void *key);
uint64_t programs_drops(const struct programs *programs, uint32_t reason, uint32_t ifindex);
void programs_run(int program, uint32_t ifindex, const void *frame, size_t length, uint32_t gso_size,
                  struct verdict *ret);

/* A network namespace of its own, with the process in it; gone when the process ends. */
void programs_namespace(void);
/* Runs a command of the shell and demands success. */
void programs_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct skr_abi_address programs_v4(uint32_t host_order);
void programs_checksum(struct iphdr *ip);
/* Makes the checksum of the IPv4 header (without options) of a frame that a test has changed. */
void programs_checksum_frame(uint8_t *frame);
/* Ethernet + IPv4 + UDP with this many bytes of payload (0, 1, 2, ...); returns the frame's length. */
size_t programs_udp(uint8_t *out, const uint8_t *destination, const uint8_t *source, uint32_t source_ip,
                    uint32_t destination_ip, uint16_t source_port, uint16_t destination_port, size_t payload);
size_t programs_arp(uint8_t *out, const uint8_t *destination, const uint8_t *source, uint16_t operation,
                    uint32_t sender_ip, uint32_t target_ip);
/* Ethernet + IPv4 + GRE around a frame. */
size_t programs_nvgre(uint8_t *out, const uint8_t *destination, const uint8_t *source, uint32_t source_pa,
                      uint32_t destination_pa, uint32_t vsid, const uint8_t *inner, size_t inner_length);
