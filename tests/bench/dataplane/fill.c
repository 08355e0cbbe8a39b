/* Fills a host's pinned record tables for the data-plane benchmark: bench-fill PIN_DIRECTORY VSID PA IFINDEX COUNT
 * Record i: MAC 06:00:<i>, address 10.64.0.0 + i, at provider address PA, behind IFINDEX (0: remote). COUNT 0 changes
 * nothing. What it enters is no controller's: run the agent with a long --audit-interval meanwhile. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <skerry/abi/fastpath.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_table(const char *directory, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = bpf_obj_get(path);
    if (fd < 0) {
        fprintf(stderr, "bench-fill: %s: %s\n", path, strerror(-fd));
        exit(1);
    }
    return fd;
}

static struct skr_abi_address mapped(uint32_t network_order)
{
    struct skr_abi_address address;
    memset(&address, 0, sizeof(address));
    address.bytes[10] = address.bytes[11] = 0xff;
    memcpy(address.bytes + 12, &network_order, 4);
    return address;
}

int main(int argc, char **argv)
{
    struct in_addr pa;
    if (argc != 6 || inet_pton(AF_INET, argv[3], &pa) != 1)
        return fprintf(stderr, "bench-fill PIN_DIRECTORY VSID PA IFINDEX COUNT\n"), 2;
    uint32_t vsid = (uint32_t)atoi(argv[2]), ifindex = (uint32_t)atoi(argv[4]), count = (uint32_t)atoi(argv[5]);
    int by_mac = open_table(argv[1], "records_mac"), by_ca = open_table(argv[1], "records_ca");
    for (uint32_t i = 0; i < count; i++) {
        uint32_t big = htonl(i);
        struct skr_abi_mac_key mac_key = {.vsid = vsid, .mac = {0x06}};
        struct skr_abi_mac_record mac_record = {.pa = mapped(pa.s_addr), .ifindex = ifindex};
        struct skr_abi_ca_key ca_key = {.vsid = vsid, .ca = mapped(htonl(0x0a400000U + i))};
        struct skr_abi_ca_record ca_record = {.mac = {0x06}};
        memcpy(mac_key.mac + 2, &big, 4);
        memcpy(ca_record.mac + 2, &big, 4);
        int r = bpf_map_update_elem(by_mac, &mac_key, &mac_record, BPF_ANY);
        if (r == 0)
            r = bpf_map_update_elem(by_ca, &ca_key, &ca_record, BPF_ANY);
        if (r < 0)
            return fprintf(stderr, "bench-fill: record %u: %s\n", i, strerror(-r)), 1;
    }
    printf("{\"records\": %u}\n", count);
    return 0;
}
