#include "agent/host/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int open_key(const char *family, const char *interface, const char *key, int flags)
{
    char path[128];
    snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, interface, key);
    int fd = open(path, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int skr_host_sysctl_write(const char *family, const char *interface, const char *key, const char *value)
{
    SKR_CLEANUP(skr_close_cleanup) int fd = open_key(family, interface, key, O_WRONLY);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

int skr_host_sysctl_read(const char *family, const char *interface, const char *key)
{
    char text[16] = {0};
    SKR_CLEANUP(skr_close_cleanup) int fd = open_key(family, interface, key, O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        return -1;
    return (int)strtol(text, NULL, 10);
}
