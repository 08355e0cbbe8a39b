/* These tests need real packets: segmentation offload, protocols after decapsulation, copies, redirect_peer, the
 * kernel's own next hops. Two hosts, four guests (tests/support/agent/two_hosts.h). */
#include "tests/support/agent/two_hosts.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRANSFER_BYTES (16u << 20)

static struct two_hosts lab;

static void expect_ping(const char *guest, const char *address, const char *more)
{
    programs_shell("ip netns exec %s ping -q -c 2 -i 0.05 -W 2 %s %s >/dev/null", guest, more, address);
}

static void write_all(int fd, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, (const char *)bytes + done, size - done);

        if (n <= 0)
            _exit(1);
        done += (size_t)n;
    }
}

/* Listens in one guest, then sends from a child in another; returns whether every byte arrived as it was. */
static bool transfer(const char *from, const char *to, uint32_t ip)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(5000), .sin_addr.s_addr = htonl(ip)};
    uint32_t *block = malloc(65536), expected = 0;
    size_t received = 0;
    int listener, fd, status;
    bool intact = true;
    pid_t child;

    two_hosts_enter(to);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0, "%s", strerror(errno));
    cr_assert_eq(listen(listener, 1), 0);
    child = fork();
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        two_hosts_enter(from);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
            _exit(1);
        for (size_t sent = 0; sent < TRANSFER_BYTES; sent += 65536) {
            for (unsigned i = 0; i < 16384; i++)
                block[i] = expected++;
            write_all(fd, block, 65536);
        }
        _exit(0);
    }
    fd = accept(listener, NULL, NULL);
    cr_assert_geq(fd, 0);
    while (received < TRANSFER_BYTES && recv(fd, block, 65536, MSG_WAITALL) == 65536) {
        for (unsigned i = 0; i < 16384; i++)
            intact &= block[i] == expected++;
        received += 65536;
    }
    close(fd);
    close(listener);
    free(block);
    return waitpid(child, &status, 0) == child && status == 0 && intact && received == TRANSFER_BYTES;
}

static void expect_all_ways(void)
{
    uint64_t before, packets;

    expect_ping("a", "10.0.0.6", ""); /* another host */
    expect_ping("a", "10.0.0.7", ""); /* same host */
    expect_ping("a", "10.0.1.6", ""); /* another subnet, another host */
    expect_ping("d", "10.0.1.1", ""); /* gateway */
    expect_ping("b", "10.0.0.5", "-M do -s 1400");
    before = two_hosts_statistic("h1", "u", "tx_packets");
    cr_assert(transfer("a", "b", 0x0a000006));
    packets = two_hosts_statistic("h1", "u", "tx_packets") - before;
    cr_assert_lt(packets, TRANSFER_BYTES / 1400 / 3, "%lu packets: segments were not carried whole",
                 (unsigned long)packets);
    cr_assert(transfer("a", "c", 0x0a000007));
    cr_assert(transfer("a", "d", 0x0a000106));
}

static void with(struct two_hosts_options options)
{
    two_hosts_open(&lab, &options);
    expect_all_ways();
    two_hosts_close(&lab);
}

Test(fastpath_packets, nvgre)
{
    with((struct two_hosts_options){0});
}

Test(fastpath_packets, nvgre_to_peers)
{
    with((struct two_hosts_options){.peer = true});
}

Test(fastpath_packets, vxlan)
{
    with((struct two_hosts_options){.vxlan = true});
}

Test(fastpath_packets, next_hops_of_the_kernel)
{
    with((struct two_hosts_options){.no_neighbors = true});
}

/* Broadcast reaches each guest of the subnet once, on both hosts, and no guest of another. Group frames that are not IP
 * go the same way. */
Test(fastpath_packets, broadcast)
{
    struct two_hosts_options options = {.peer = true};
    uint64_t before[TWO_HOSTS_GUESTS];

    two_hosts_open(&lab, &options);
    for (unsigned i = 0; i < TWO_HOSTS_GUESTS; i++)
        before[i] = two_hosts_statistic(two_hosts_guests[i].name, "eth0", "rx_packets");
    programs_shell("ip netns exec a python3 -c \""
                   "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0));"
                   "m = bytes.fromhex('ffffffffffff020100000005');"
                   "s.send(m + bytes.fromhex('8035') + b'x' * 20)\"");
    programs_shell("ip netns exec a python3 -c \""
                   "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0));"
                   "s.send(bytes.fromhex('ffffffffffff020100000005' '0806' '0001080006040001' '0201000000050a000005'"
                   "'0000000000000a000005'))\"");
    programs_shell("ip netns exec a ping -b -q -c 1 -W 1 10.0.0.255 >/dev/null 2>&1; true");
    cr_assert_eq(two_hosts_statistic("b", "eth0", "rx_packets") - before[1], 3);
    cr_assert_eq(two_hosts_statistic("c", "eth0", "rx_packets") - before[2], 3);
    cr_assert_eq(two_hosts_statistic("d", "eth0", "rx_packets") - before[3], 0);
    cr_assert_eq(two_hosts_statistic("a", "eth0", "rx_packets") - before[0], 0);
    two_hosts_close(&lab);
}

/* A guest's own 802.1Q tag never reaches the wire; a priority tag (VLAN 0) is taken off. */
Test(fastpath_packets, guest_vlan_tag)
{
    struct two_hosts_options options = {0};
    uint64_t before;

    two_hosts_open(&lab, &options);
    expect_ping("a", "10.0.0.6", "");
    before = two_hosts_statistic("h1", "u", "tx_packets");
    programs_shell("ip netns exec a python3 -c \""
                   "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0));"
                   "s.send(bytes.fromhex('020100000006020100000005' '81000064' '0800') + bytes(40))\"");
    cr_assert_eq(two_hosts_statistic("h1", "u", "tx_packets"), before);
    before = two_hosts_statistic("c", "eth0", "rx_bytes");
    programs_shell("ip netns exec a python3 -c \""
                   "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0));"
                   "s.send(bytes.fromhex('020100000007020100000005' '8100e000' '8035') + bytes(46))\"");
    cr_assert_eq(two_hosts_statistic("c", "eth0", "rx_bytes") - before, 60);
    two_hosts_close(&lab);
}

static void take_reason(void *arg, uint32_t reason, uint32_t ifindex, uint64_t count)
{
    (void)ifindex;
    ((uint64_t *)arg)[reason] += count;
}

/* A frame that fits the subnet, but is longer than the kernel makes room in: told as what it is, and the host goes on.
 */
Test(fastpath_packets, encapsulation_the_kernel_refuses)
{
    struct two_hosts_options options = {0};
    uint64_t reasons[SKR_DROP_REASON_COUNT] = {0};
    struct skr_abi_subnet subnet;
    uint32_t vsid = two_hosts_guests[0].vsid;

    two_hosts_open(&lab, &options);
    cr_assert_eq(lab.hosts[0]->ops->get(lab.hosts[0], SKR_TABLE_SUBNETS, &vsid, &subnet), 0);
    subnet.mtu = 40000;
    cr_assert_eq(lab.hosts[0]->ops->put(lab.hosts[0], SKR_TABLE_SUBNETS, &vsid, &subnet), 0);
    programs_shell(
            "ip netns exec h1 sh -c 'for p in $(ip -o link | cut -d: -f2 | cut -d@ -f1); do ip link set $p mtu 40000; "
            "done 2>/dev/null; true'");
    programs_shell("ip netns exec a ip link set eth0 mtu 40000");
    programs_shell("ip netns exec a ping -q -c 2 -i 0.05 -W 1 -M do -s 20000 10.0.0.6 >/dev/null; true");
    two_hosts_enter("h1");
    lab.hosts[0]->ops->drops(lab.hosts[0], take_reason, reasons);
    cr_assert_eq(reasons[SKR_DROP_ENCAPSULATION_FAILED], 2);
    expect_ping("a", "10.0.0.6", "");
    two_hosts_close(&lab);
}

/* Another load of the programs under a running ping: nothing is lost. */
Test(fastpath_packets, replacement_in_place)
{
    struct two_hosts_options options = {0};
    uint64_t drops[SKR_DROP_REASON_COUNT] = {0};
    struct skr_fastpath *next;
    char pins[80];
    struct skr_fastpath_options again = {.pin_directory = pins};
    struct skr_error error = {0};

    two_hosts_open(&lab, &options);
    expect_ping("a", "10.0.0.6", "");
    programs_shell("ip netns exec a ping -q -i 0.002 -c 500 -W 1 10.0.0.6 > %s/ping & echo $! > %s/pid", lab.directory,
                   lab.directory);
    for (unsigned round = 0; round < 3; round++) {
        snprintf(pins, sizeof(pins), "%s/h1", lab.directory);
        two_hosts_enter("h1");
        cr_assert_eq(skr_fastpath_bpf_new(&again, &next, &error), 0, "%s", error.detail);
        cr_assert_eq(next->ops->attach(next, SKR_HOOK_PORT, two_hosts_port(&two_hosts_guests[0])), 0);
        lab.hosts[0]->ops->free(lab.hosts[0]);
        lab.hosts[0] = next;
    }
    programs_shell("tail --pid=$(cat %s/pid) -f /dev/null; grep -q ' 0%% packet loss' %s/ping", lab.directory,
                   lab.directory);
    cr_assert_eq(lab.hosts[0]->ops->drops(lab.hosts[0], take_reason, drops), 0);
    cr_assert_eq(drops[SKR_DROP_UNKNOWN_PORT], 0);
    two_hosts_close(&lab);
}
