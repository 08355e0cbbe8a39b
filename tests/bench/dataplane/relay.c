/* A VM on a tap, without a hypervisor: bench-relay TAP VM_NAMESPACE_FILE makes the tap TAP in this network namespace
 * and a tap eth0 in the VM's, and copies frames between them, offload headers included, as QEMU's virtio-net would.
 * Prints "ready" and runs until it is killed. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FRAME_MAX (65536 + 256)

static void must(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "bench-relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int make_tap(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int header = sizeof(struct virtio_net_hdr_v1);
    int fd = open("/dev/net/tun", O_RDWR);
    must(fd, "/dev/net/tun");
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    must(ioctl(fd, TUNSETIFF, &request), name);
    must(ioctl(fd, TUNSETVNETHDRSZ, &header), "TUNSETVNETHDRSZ");
    must(ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN), "TUNSETOFFLOAD");
    return fd;
}

struct direction {
    int from, to;
};

static void *copy(void *arg)
{
    struct direction *direction = arg;
    uint8_t *frame = malloc(FRAME_MAX);
    for (;;) {
        ssize_t size = read(direction->from, frame, FRAME_MAX);
        if (size > 0)
            (void)!write(direction->to, frame, (size_t)size); /* a full queue drops, as a NIC does */
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return fprintf(stderr, "bench-relay TAP VM_NAMESPACE_FILE\n"), 2;
    int host = make_tap(argv[1]);
    int namespace = open(argv[2], O_RDONLY);
    must(namespace, argv[2]);
    must(setns(namespace, CLONE_NEWNET), "setns");
    int vm = make_tap("eth0");
    struct direction out = {.from = vm, .to = host}, in = {.from = host, .to = vm};
    pthread_t thread;
    must(-pthread_create(&thread, NULL, copy, &out), "thread");
    printf("ready\n");
    fflush(stdout);
    copy(&in);
    return 0;
}
