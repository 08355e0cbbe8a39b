/* Moving an adapter: while target_host_id is set it is still on host_id, and everything waits for it on the target. The
 * move ends with an ordinary write of host_id, when the target has seen the VM's first frame, when the source has lost
 * the interface and the target has one, or when an administrator says so. Nothing else changes: records follow host_id,
 * addresses, MAC and what the pools hold stay the adapter's. */
#include "controller/model/report.h"

void skr_adapter_move_forget(struct skr_object *adapter)
{
    skr_object_set_null(adapter, SKR_NETWORK_ADAPTER_TARGET_HOST_ID);
    skr_object_set_null(adapter, SKR_NETWORK_ADAPTER_TARGET_INTERFACE);
    skr_object_set_integer(adapter, SKR_NETWORK_ADAPTER_TARGET_CLAIMED, 0);
}

bool skr_adapter_is_moving(const struct skr_object *adapter)
{
    return skr_object_has(adapter, SKR_NETWORK_ADAPTER_TARGET_HOST_ID);
}

bool skr_adapter_is_moving_to(const struct skr_object *adapter, const struct skr_uuid *host_id)
{
    struct skr_uuid target_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_TARGET_HOST_ID);
    return skr_adapter_is_moving(adapter) && skr_uuid_equal(&target_id, host_id);
}

/* ---- begin, cancel, finish ---- */

static int judge(const struct skr_object *adapter, const struct skr_uuid *target_id, struct skr_error *error)
{
    struct skr_uuid host_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_HOST_ID);
    const char *name = skr_object_name(adapter);
    if (!skr_object_has(adapter, SKR_NETWORK_ADAPTER_HOST_ID))
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/host_id",
                          "Network adapter \"%.100s\" is on no host; give it one with host_id.", name);
    if (skr_uuid_equal(&host_id, target_id))
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/host_id",
                          "Network adapter \"%.100s\" is on this host already; choose another.", name);
    if (skr_adapter_is_moving(adapter))
        return skr_refuse(error, SKR_ERROR_CONFLICT, "/host_id",
                          "Network adapter \"%.100s\" is moving already; wait for the end of that move, or cancel it.",
                          name);
    return 0;
}

static int name_switch(struct skr_txn *txn, const struct skr_uuid *id, char out[static 128], struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *row = NULL;
    snprintf(out, 128, "no host switch for it");
    if (skr_uuid_is_nil(id))
        return 0;
    int r = skr_fetch(txn, SKR_LOGICAL_SWITCH, id, &row, error);
    if (r == 0)
        snprintf(out, 128, "logical switch \"%.90s\"", skr_object_name(row));
    return r;
}

int skr_adapter_move_boundary(struct skr_txn *txn, const struct skr_object *adapter, const struct skr_uuid *target_id,
                              struct skr_error *error)
{
    struct skr_uuid host_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_HOST_ID);
    struct skr_port_kind here, there;
    char here_name[128], there_name[128];
    int r = skr_port_kind_load(txn, adapter, &host_id, &here, error);
    if (r == 0)
        r = skr_port_kind_load(txn, adapter, target_id, &there, error);
    if (r < 0 || skr_uuid_equal(&here.logical_switch_id, &there.logical_switch_id))
        return r;
    r = name_switch(txn, &here.logical_switch_id, here_name, error);
    if (r == 0)
        r = name_switch(txn, &there.logical_switch_id, there_name, error);
    return r < 0 ? r
                 : skr_refuse(error, SKR_ERROR_CONFLICT, "/host_id",
                              "Network adapter \"%.100s\" cannot move there: the host it is on has %s, the target %s. "
                              "Choose a host with the same logical switch, or deploy it there.",
                              skr_object_name(adapter), here_name, there_name);
}

int skr_adapter_move_begin(struct skr_txn *txn, struct skr_object *adapter, const struct skr_uuid *target_id,
                           struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *network = NULL, *after = NULL;
    struct skr_uuid network_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_VM_NETWORK_ID);
    int r = judge(adapter, target_id, error);
    if (r == 0)
        r = skr_fetch(txn, SKR_VM_NETWORK, &network_id, &network, error);
    if (r == 0)
        r = skr_network_adapter_check_host(txn, network, target_id, "/host_id", error);
    if (r == 0)
        r = skr_network_adapter_check_interface(txn, adapter, target_id, "/host_id", error);
    if (r == 0)
        r = skr_adapter_move_boundary(txn, adapter, target_id, error);
    if (r < 0)
        return r;
    after = skr_object_copy(adapter);
    skr_adapter_move_forget(after);
    skr_object_set_uuid(after, SKR_NETWORK_ADAPTER_TARGET_HOST_ID, target_id);
    return skr_txn_update(txn, adapter, after, error);
}

int skr_adapter_move_cancel(struct skr_txn *txn, struct skr_object *adapter, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = NULL;
    if (!skr_adapter_is_moving(adapter))
        return 0;
    after = skr_object_copy(adapter);
    skr_adapter_move_forget(after);
    return skr_txn_update(txn, adapter, after, error);
}

int skr_adapter_move_finish(struct skr_txn *txn, struct skr_object *adapter, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = NULL;
    if (!skr_adapter_is_moving(adapter))
        return skr_error_set(error, SKR_ERROR_CONFLICT,
                             "Network adapter \"%.100s\" is not moving; start a move first, or set host_id.",
                             skr_object_name(adapter));
    struct skr_uuid target_id = skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_TARGET_HOST_ID);
    after = skr_object_copy(adapter);
    skr_object_set_uuid(after, SKR_NETWORK_ADAPTER_HOST_ID, &target_id);
    skr_object_set_integer(after, SKR_NETWORK_ADAPTER_CLAIMED,
                           skr_object_integer(adapter, SKR_NETWORK_ADAPTER_TARGET_CLAIMED));
    return skr_write_inner(txn, SKR_NETWORK_ADAPTER, adapter, after, error);
}

int skr_adapter_move_settle(struct skr_txn *txn, struct skr_object *adapter, struct skr_error *error)
{
    bool left = skr_adapter_is_moving(adapter) && !skr_object_integer(adapter, SKR_NETWORK_ADAPTER_BOUND) &&
                skr_object_has(adapter, SKR_NETWORK_ADAPTER_TARGET_INTERFACE);
    return left ? skr_adapter_move_finish(txn, adapter, error) : 0;
}

/* ---- what the target reports ---- */

static int fetch(struct skr_report *report, const ProtobufCBinaryData *id, struct skr_object **ret,
                 struct skr_error *error)
{
    struct skr_uuid adapter_id;
    if (!skr_report_uuid(id, &adapter_id))
        return 0;
    int r = skr_txn_get(report->txn, SKR_NETWORK_ADAPTER, &adapter_id, NULL, ret, error);
    return r < 0 ? r == -ENOENT ? 0 : r : 1;
}

static int set_waiting(struct skr_report *report, struct skr_object *adapter, const char *interface,
                       struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(adapter);
    char text[16];
    snprintf(text, sizeof(text), "%.15s", interface ? interface : "");
    skr_utf8_mend(text);
    skr_object_set_text(after, SKR_NETWORK_ADAPTER_TARGET_INTERFACE, *text ? text : NULL);
    int r = skr_txn_update(report->txn, adapter, after, error);
    return r < 0 ? r : skr_adapter_move_settle(report->txn, after, error);
}

int skr_report_target_binding(struct skr_report *report, const Skerry__V1__PortBinding *binding,
                              struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    int r = fetch(report, &binding->adapter_id, &adapter, error);
    if (r <= 0 || !skr_adapter_is_moving_to(adapter, &report->host_id))
        return r < 0 ? r : 0;
    struct skr_uuid id = skr_object_id(adapter);
    if (binding->bound)
        SKR_REPORT_NAME(report, bindings, &id);
    r = set_waiting(report, adapter, binding->bound ? binding->interface : NULL, error);
    return r < 0 ? r : 1;
}

/* 1 and *ret: an adapter that is moving to the reporting host. */
static int fetch_moving(struct skr_report *report, const struct skr_uuid *id, struct skr_object **ret,
                        struct skr_error *error)
{
    int r = skr_txn_get(report->txn, SKR_NETWORK_ADAPTER, id, NULL, ret, error);
    return r < 0 ? r == -ENOENT ? 0 : r : skr_adapter_is_moving_to(*ret, &report->host_id);
}

int skr_report_lose_target_binding(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    int r = fetch_moving(report, id, &adapter, error);
    return r <= 0 ? r : set_waiting(report, adapter, NULL, error);
}

int skr_report_target_claim(struct skr_report *report, struct skr_object *adapter, bool claimed,
                            struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *after = skr_object_copy(adapter);
    skr_object_set_integer(after, SKR_NETWORK_ADAPTER_TARGET_CLAIMED, claimed);
    return skr_txn_update(report->txn, adapter, after, error);
}

int skr_report_lose_target_claim(struct skr_report *report, const struct skr_uuid *id, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    int r = fetch_moving(report, id, &adapter, error);
    return r <= 0 ? r : skr_report_target_claim(report, adapter, false, error);
}

/* An skr_write_fn. */
static int finish(struct skr_txn *txn, void *adapter, struct skr_error *error)
{
    return skr_adapter_move_finish(txn, adapter, error);
}

int skr_report_take_moved(struct skr_report *report, size_t index, struct skr_error *error)
{
    SKR_CLEANUP(skr_object_cleanup) struct skr_object *adapter = NULL;
    const Skerry__V1__Moved *moved = report->body->moved[index];
    int r = fetch(report, &moved->adapter_id, &adapter, error);
    if (r < 0)
        return r;
    struct skr_uuid host_id = r ? skr_object_uuid(adapter, SKR_NETWORK_ADAPTER_HOST_ID) : (struct skr_uuid){0};
    if (r && skr_uuid_equal(&host_id, &report->host_id))
        return 0; /* told again: it is there already */
    if (!r || !skr_adapter_is_moving_to(adapter, &report->host_id))
        return skr_report_refuse(report, &moved->adapter_id, NULL, moved->number, "not_moving_here");
    struct skr_error why = {0};
    r = skr_txn_try(report->txn, finish, adapter, &why, error);
    if (r <= 0)
        return r;
    r = skr_event_add(report->txn, "MoveRefused", adapter, &report->host_id, error, "%.500s", why.detail);
    return r < 0 ? r : skr_report_refuse(report, &moved->adapter_id, NULL, moved->number, why.detail);
}
