#include "controller/names.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <skerry/address.h>
#include <skerry/macros.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void add(struct skr_names *names, const char *name)
{
    if (!*name || names->count == SKR_NAMES_MAX)
        return;
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0)
            return;
    char *copy = strdup(name);
    if (!copy)
        abort();
    names->names[names->count++] = copy;
}

/* The host of "host:port" or "[host]:port"; false when it stands for every address. */
static bool endpoint_host(const char *endpoint, char *out, size_t size)
{
    const char *colon = strrchr(endpoint, ':');
    size_t length = colon ? (size_t)(colon - endpoint) : strlen(endpoint);
    if (length >= 2 && endpoint[0] == '[' && endpoint[length - 1] == ']') {
        endpoint++;
        length -= 2;
    }
    snprintf(out, size, "%.*s", (int)length, endpoint);
    return length > 0 && strcmp(out, "0.0.0.0") != 0 && strcmp(out, "::") != 0;
}

static bool interface_address(const struct ifaddrs *interface, char out[static SKR_ADDRESS_TEXT_MAX])
{
    const struct sockaddr *at = interface->ifa_addr;
    if (!at || !(interface->ifa_flags & IFF_UP))
        return false;
    if (at->sa_family == AF_INET)
        return inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)at)->sin_addr, out, SKR_ADDRESS_TEXT_MAX);
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)at)->sin6_addr;
    return at->sa_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(v6) &&
           inet_ntop(AF_INET6, v6, out, SKR_ADDRESS_TEXT_MAX);
}

void skr_names_collect(struct skr_names *names, const char *const *endpoints, size_t count)
{
    char text[HOST_NAME_MAX + 1] = "";
    struct ifaddrs *interfaces = NULL;
    *names = (struct skr_names){0};
    add(names, "localhost");
    add(names, "127.0.0.1");
    add(names, "::1");
    for (size_t i = 0; i < count; i++)
        if (endpoints[i] && endpoint_host(endpoints[i], text, sizeof(text)))
            add(names, text);
    if (gethostname(text, sizeof(text) - 1) == 0)
        add(names, text);
    if (getifaddrs(&interfaces) < 0)
        return;
    for (const struct ifaddrs *at = interfaces; at; at = at->ifa_next)
        if (interface_address(at, text))
            add(names, text);
    freeifaddrs(interfaces);
}

void skr_names_done(struct skr_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    names->count = 0;
}

static bool first_reachable(char out[static SKR_ADDRESS_TEXT_MAX])
{
    struct ifaddrs *interfaces = NULL;
    bool found = false;
    if (getifaddrs(&interfaces) < 0)
        return false;
    for (const struct ifaddrs *at = interfaces; at && !found; at = at->ifa_next)
        found = !(at->ifa_flags & IFF_LOOPBACK) && interface_address(at, out);
    freeifaddrs(interfaces);
    return found;
}

char *skr_names_reachable(const char *listen, unsigned port)
{
    char host[HOST_NAME_MAX + 1], *text = NULL;
    if (!endpoint_host(listen, host, sizeof(host)) && !first_reachable(host))
        strcpy(host, "127.0.0.1");
    if (asprintf(&text, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port) < 0)
        abort();
    return text;
}
