#include "tests/support/agent/host_world.h"

#include "tests/support/agent/programs.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <skerry/clock.h>
#include <stdarg.h>

static struct world_told *note(struct world *world, int what)
{
    struct world_told *told = &world->told[world->told_count++ % WORLD_TOLD_MAX];
    *told = (struct world_told){.what = what};
    return told;
}

static void on_binding(void *arg, const struct skr_uuid *id, const struct skr_host_interface *interface,
                       const char *reason)
{
    struct world_told *told = note(arg, TOLD_BINDING);
    told->id = *id;
    told->ifindex = interface ? interface->ifindex : 0;
    told->present = interface != NULL;
    snprintf(told->text, sizeof(told->text), "%s", interface ? interface->name : reason);
}

static void on_claim(void *arg, const struct skr_uuid *id, const char *interface, bool present)
{
    struct world_told *told = note(arg, TOLD_CLAIM);
    told->id = *id;
    told->present = present;
    snprintf(told->text, sizeof(told->text), "%s", interface);
}

static void on_own_pa(void *arg, const struct skr_uuid *id, const struct skr_address *pa, uint32_t ifindex,
                      uint32_t mtu, const char *reason)
{
    struct world_told *told = note(arg, TOLD_PA);
    (void)mtu;
    told->id = *id;
    told->address = *pa;
    told->ifindex = ifindex;
    told->present = ifindex != 0;
    snprintf(told->text, sizeof(told->text), "%s", reason ? reason : "");
}

static void on_neighbor(void *arg, const struct skr_address *pa, const struct skr_abi_neighbor *neighbor)
{
    struct world_told *told = note(arg, TOLD_NEIGHBOR);
    told->address = *pa;
    told->neighbor = *neighbor;
    told->ifindex = neighbor->ifindex;
    told->present = neighbor->ifindex != 0;
}

static void on_uplink(void *arg, const struct skr_host_interface *interface, bool present)
{
    struct world_told *told = note(arg, TOLD_UPLINK);
    told->ifindex = interface->ifindex;
    told->present = present;
    snprintf(told->text, sizeof(told->text), "%s", interface->name);
}

static void on_tagging(void *arg, const struct skr_host_interface *uplink, bool tags)
{
    struct world_told *told = note(arg, TOLD_TAGGING);
    told->ifindex = uplink->ifindex;
    told->present = tags;
    snprintf(told->text, sizeof(told->text), "%s", uplink->name);
}

static void on_guest(void *arg, uint32_t ifindex, const char *name, enum skr_guest_state state)
{
    struct world_told *told = note(arg, TOLD_GUEST);
    told->ifindex = ifindex;
    told->guest = state;
    snprintf(told->text, sizeof(told->text), "%s", name);
}

static void on_changed(void *arg, const char *kind, uint32_t ifindex)
{
    struct world_told *told = note(arg, TOLD_CHANGED);
    told->ifindex = ifindex;
    snprintf(told->text, sizeof(told->text), "%s", kind);
}

static void open_host(struct world *world)
{
    struct skr_error error = {0};
    const struct skr_host_output output = {.binding = on_binding,
                                           .claim = on_claim,
                                           .own_pa = on_own_pa,
                                           .neighbor = on_neighbor,
                                           .uplink = on_uplink,
                                           .tagging = on_tagging,
                                           .guest = on_guest,
                                           .changed = on_changed,
                                           .arg = world};
    cr_assert_eq(skr_host_new(world->desired, &output, &world->host, &error), 0, "%s", error.detail);
}

static void forward(void *arg, const struct skr_desired_change *changes, size_t count)
{
    skr_host_changes(((struct world *)arg)->host, changes, count);
}

void world_open(struct world *world)
{
    const struct skr_uuid database = test_id(0xdb, 1);
    *world = (struct world){0};
    cr_assert_eq(skr_desired_new(&world->desired), 0);
    skr_desired_set_controller(world->desired, &database, 1, &test_key);
    skr_desired_listen(world->desired, forward, world);
    open_host(world);
}

void world_new(struct world *world)
{
    programs_namespace();
    world_open(world);
}

static int tell_again(void *arg, const struct skr_desired_change *object)
{
    struct world *world = arg;
    skr_host_changes(world->host, object, 1);
    return 0;
}

void world_restart_host(struct world *world)
{
    static const Skerry__V1__ObjectType types[] = {HOST, HOST_SWITCH, PA, PORT};
    skr_host_free(world->host);
    world->told_count = 0;
    open_host(world);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        skr_desired_each(world->desired, types[i], tell_again, world);
}

void world_free(struct world *world)
{
    skr_host_free(world->host);
    skr_desired_free(world->desired);
}

Skerry__V1__Delta *world_delta(struct world *world)
{
    uint64_t from = world->version++;
    return delta_new(HOST_SCOPE, test_id(0x05, 1), from, world->version);
}

void world_apply(struct world *world, Skerry__V1__Delta *delta)
{
    struct skr_error error = {0};
    bool complete = false;
    /* The digest is not what is tested here: a delta is applied before it is compared. */
    int r = skr_desired_delta(world->desired, delta, &complete, &error);
    cr_assert(r == 0 || r == -ESTALE, "%s", error.detail);
    delta_free(delta);
}

void world_uplinks(struct world *world, bool remediate, const char *first, const char *second)
{
    Skerry__V1__Host *host = (Skerry__V1__Host *)body_host("h1");
    const char *names[] = {first, second};
    host->remediate = remediate;
    host->uplinks = malloc(2 * sizeof(*host->uplinks));
    for (size_t i = 0; i < 2 && names[i]; i++)
        host->uplinks[host->n_uplinks++] = strdup(names[i]);
    Skerry__V1__Delta *delta = world_delta(world);
    delta_upsert(delta, HOST, test_id(0x05, 1), &host->base);
    world_apply(world, delta);
}

static bool readable(struct world *world, int64_t timeout_ms)
{
    struct pollfd wait = {.fd = skr_host_fd(world->host), .events = POLLIN};
    return poll(&wait, 1, (int)timeout_ms) == 1;
}

void world_drain(struct world *world)
{
    while (readable(world, 0))
        skr_host_read(world->host);
}

void world_until(struct world *world, bool (*fn)(struct world *world, void *arg), void *arg, const char *what)
{
    int64_t deadline = skr_clock_monotonic_ns() + WORLD_WAIT_MS * SKR_NS_PER_MS;
    while (!fn(world, arg)) {
        int64_t now = skr_clock_monotonic_ns(), due = skr_host_deadline_ns(world->host);
        cr_assert_lt(now, deadline, "waited in vain: %s", what);
        int64_t wake = due < deadline ? due : deadline;
        if (readable(world, wake > now ? (wake - now) / SKR_NS_PER_MS + 1 : 0))
            skr_host_read(world->host);
        now = skr_clock_monotonic_ns();
        if (skr_host_deadline_ns(world->host) <= now)
            skr_host_run(world->host, now);
    }
}

const struct world_told *world_last(const struct world *world, int what, const struct skr_uuid *id,
                                    const struct skr_address *address)
{
    size_t kept = world->told_count < WORLD_TOLD_MAX ? world->told_count : WORLD_TOLD_MAX;
    for (size_t i = 1; i <= kept; i++) {
        const struct world_told *told = &world->told[(world->told_count - i) % WORLD_TOLD_MAX];
        if ((int)told->what == what && (!id || !skr_uuid_compare(&told->id, id)) &&
            (!address || !skr_address_compare(&told->address, address)))
            return told;
    }
    return NULL;
}

size_t world_count(const struct world *world, int what)
{
    size_t count = 0;
    cr_assert_leq(world->told_count, (size_t)WORLD_TOLD_MAX);
    for (size_t i = 0; i < world->told_count; i++)
        count += (int)world->told[i].what == what;
    return count;
}

struct expected {
    struct skr_uuid id;
    struct skr_address address;
    bool present;
    const char *text;
};

static bool binding_is(struct world *world, void *arg)
{
    const struct expected *expected = arg;
    const struct world_told *told = world_last(world, TOLD_BINDING, &expected->id, NULL);
    return told && told->present == expected->present && !strcmp(told->text, expected->text);
}

void world_until_bound(struct world *world, struct skr_uuid id, const char *interface)
{
    struct expected expected = {.id = id, .present = true, .text = interface};
    world_until(world, binding_is, &expected, interface);
    cr_assert_eq(world_last(world, TOLD_BINDING, &id, NULL)->ifindex, world_ifindex(interface));
}

void world_until_unbound(struct world *world, struct skr_uuid id, const char *reason)
{
    struct expected expected = {.id = id, .text = reason};
    world_until(world, binding_is, &expected, reason);
}

static bool pa_is(struct world *world, void *arg)
{
    const struct expected *expected = arg;
    const struct world_told *told = world_last(world, TOLD_PA, NULL, &expected->address);
    return told && told->present == expected->present;
}

void world_until_pa(struct world *world, uint32_t address, bool stands)
{
    struct expected expected = {.address = test_address(address), .present = stands};
    world_until(world, pa_is, &expected, stands ? "the PA stands" : "the PA does not stand");
}

bool world_shell(const char *format, ...)
{
    char command[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    return system(command) == 0;
}

uint32_t world_ifindex(const char *name)
{
    return if_nametoindex(name);
}
