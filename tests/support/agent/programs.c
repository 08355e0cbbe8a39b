#include "tests/support/agent/programs.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int print_warnings(enum libbpf_print_level level, const char *format, va_list arguments)
{
    return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

/* Sets a __u32 in .rodata by the name it has in BTF. */
static void set_configuration(struct bpf_object *object, const char *name, uint32_t value)
{
    const struct btf *btf = bpf_object__btf(object);
    const struct btf_type *section =
            btf__type_by_id(btf, (uint32_t)btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC));
    const struct btf_var_secinfo *variables = btf_var_secinfos(section);
    struct bpf_map *map;

    bpf_object__for_each_map(map, object)
    {
        size_t size;
        char *bytes =
                strstr(bpf_map__name(map), ".rodata") ? (char *)(uintptr_t)bpf_map__initial_value(map, &size) : NULL;

        for (unsigned i = 0; bytes && i < btf_vlen(section); i++)
            if (!strcmp(btf__name_by_offset(btf, btf__type_by_id(btf, variables[i].type)->name_off), name)) {
                memcpy(bytes + variables[i].offset, &value, sizeof(value));
                return;
            }
    }
    cr_assert_fail("the programs have no setting %s", name);
}

void programs_open(struct programs *programs, const char *path, bool probe)
{
    if (!path)
        path = getenv("SKR_BPF_OBJECT");
    if (!path)
        path = SKR_BUILD_DIR "/ebpf/skerry.bpf.o";
    libbpf_set_print(print_warnings);
    programs->object = bpf_object__open_file(path, NULL);
    cr_assert(programs->object, "%s: %s", path, strerror(errno));
    set_configuration(programs->object, "probe", probe);
    cr_assert_eq(bpf_object__load(programs->object), 0, "the kernel refused %s", path);
    programs->port = bpf_program__fd(bpf_object__find_program_by_name(programs->object, "port_ingress"));
    programs->uplink = bpf_program__fd(bpf_object__find_program_by_name(programs->object, "uplink_ingress"));
    programs->egress = bpf_program__fd(bpf_object__find_program_by_name(programs->object, "uplink_egress"));
}

void programs_close(struct programs *programs)
{
    bpf_object__close(programs->object);
}

int programs_map(const struct programs *programs, const char *name)
{
    int fd = bpf_object__find_map_fd_by_name(programs->object, name);

    cr_assert_geq(fd, 0, "no map %s", name);
    return fd;
}

void programs_put(const struct programs *programs, const char *table, const void *key, const void *value)
{
    cr_assert_eq(bpf_map_update_elem(programs_map(programs, table), key, value, BPF_ANY), 0, "%s: %s", table,
                 strerror(errno));
}

void programs_remove(const struct programs *programs, const char *table, const void *key)
{
    cr_assert_eq(bpf_map_delete_elem(programs_map(programs, table), key), 0, "%s: %s", table, strerror(errno));
}

uint64_t programs_drops(const struct programs *programs, uint32_t reason, uint32_t ifindex)
{
    struct skr_abi_drop_key key = {.reason = reason, .ifindex = ifindex};
    uint64_t counts[1024] = {0}, sum = 0;

    if (bpf_map_lookup_elem(programs_map(programs, "drops"), &key, counts))
        return 0;
    for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
        sum += counts[cpu];
    return sum;
}

void programs_run(int program, uint32_t ifindex, const void *frame, size_t length, uint32_t gso_size,
                  struct verdict *ret)
{
    struct __sk_buff in = {.ifindex = ifindex, .gso_size = gso_size}, out = {0};
    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)length,
                        .data_out = ret->bytes, .data_size_out = sizeof(ret->bytes), .ctx_in = &in,
                        .ctx_size_in = sizeof(in), .ctx_out = &out, .ctx_size_out = sizeof(out), .repeat = 1);
    int result = bpf_prog_test_run_opts(program, &opts);

    cr_assert_eq(result, 0, "test run on interface %u: %s", ifindex, strerror(errno));
    ret->action = (int)opts.retval;
    ret->length = opts.data_size_out;
    ret->verdict = out.cb[0];
    ret->reason = out.cb[1];
    ret->target = out.cb[2];
    ret->vsid = out.cb[3];
    ret->pa = out.cb[4];
}

void programs_namespace(void)
{
    cr_assert_eq(unshare(CLONE_NEWNET | CLONE_NEWNS), 0, "%s", strerror(errno));
    cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0, "%s", strerror(errno));
    programs_shell("ip link set lo up");
}

void programs_shell(const char *format, ...)
{
    char command[2048];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    cr_assert_eq(system(command), 0, "%s", command);
}

struct skr_abi_address programs_v4(uint32_t host_order)
{
    return (struct skr_abi_address){.words = {0, 0, htonl(0xffff), htonl(host_order)}};
}

void programs_checksum(struct iphdr *ip)
{
    uint32_t sum = 0;

    ip->check = 0;
    for (unsigned i = 0; i < ip->ihl * 2u; i++)
        sum += ((uint16_t *)(void *)ip)[i];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    ip->check = (uint16_t)~sum;
}

void programs_checksum_frame(uint8_t *frame)
{
    struct iphdr ip;

    memcpy(&ip, frame + ETH_HLEN, sizeof(ip));
    programs_checksum(&ip);
    memcpy(frame + ETH_HLEN, &ip, sizeof(ip));
}

static uint8_t *put_ethernet(uint8_t *out, const uint8_t *destination, const uint8_t *source, uint16_t type)
{
    memcpy(out, destination, 6);
    memcpy(out + 6, source, 6);
    out[12] = (uint8_t)(type >> 8);
    out[13] = (uint8_t)type;
    return out + 14;
}

static void put_ip(struct iphdr *ip, uint32_t source, uint32_t destination, uint8_t protocol, size_t payload)
{
    *ip = (struct iphdr){.version = 4,
                         .ihl = 5,
                         .tot_len = htons((uint16_t)(sizeof(*ip) + payload)),
                         .ttl = 64,
                         .protocol = protocol,
                         .saddr = htonl(source),
                         .daddr = htonl(destination)};
    programs_checksum(ip);
}

size_t programs_udp(uint8_t *out, const uint8_t *destination, const uint8_t *source, uint32_t source_ip,
                    uint32_t destination_ip, uint16_t source_port, uint16_t destination_port, size_t payload)
{
    uint8_t *at = put_ethernet(out, destination, source, ETHERTYPE_IP);
    struct iphdr ip;
    struct udphdr udp = {.source = htons(source_port),
                         .dest = htons(destination_port),
                         .len = htons((uint16_t)(sizeof(udp) + payload))};

    put_ip(&ip, source_ip, destination_ip, IPPROTO_UDP, sizeof(udp) + payload);
    memcpy(at, &ip, sizeof(ip));
    memcpy(at + sizeof(ip), &udp, sizeof(udp));
    for (size_t i = 0; i < payload; i++)
        at[sizeof(ip) + sizeof(udp) + i] = (uint8_t)i;
    return 14 + sizeof(ip) + sizeof(udp) + payload;
}

size_t programs_arp(uint8_t *out, const uint8_t *destination, const uint8_t *source, uint16_t operation,
                    uint32_t sender_ip, uint32_t target_ip)
{
    uint8_t *at = put_ethernet(out, destination, source, ETHERTYPE_ARP);
    const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, (uint8_t)operation};
    uint32_t sender = htonl(sender_ip), target = htonl(target_ip);

    memcpy(at, head, sizeof(head));
    memcpy(at + 8, source, 6);
    memcpy(at + 14, &sender, 4);
    memset(at + 18, 0, 6);
    memcpy(at + 24, &target, 4);
    return 42;
}

size_t programs_nvgre(uint8_t *out, const uint8_t *destination, const uint8_t *source, uint32_t source_pa,
                      uint32_t destination_pa, uint32_t vsid, const uint8_t *inner, size_t inner_length)
{
    uint8_t *at = put_ethernet(out, destination, source, ETHERTYPE_IP);
    const uint8_t gre[8] = {0x20, 0, 0x65, 0x58, (uint8_t)(vsid >> 16), (uint8_t)(vsid >> 8), (uint8_t)vsid, 0x5a};
    struct iphdr ip;

    put_ip(&ip, source_pa, destination_pa, IPPROTO_GRE, sizeof(gre) + inner_length);
    memcpy(at, &ip, sizeof(ip));
    memcpy(at + sizeof(ip), gre, sizeof(gre));
    memcpy(at + sizeof(ip) + sizeof(gre), inner, inner_length);
    return 14 + sizeof(ip) + sizeof(gre) + inner_length;
}
