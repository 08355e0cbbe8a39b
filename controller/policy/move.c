/* Adapters that move: a port that waits on the target, the target's membership, and what the port on the source
 * counted, handed on once. A struct move stands from the first sight of a target until nothing of it is left. */
#include "controller/policy/graph.h"
#include <skerry/resource_fields.h>
#include <stdlib.h>
#include <string.h>

/* The source sends what its port counted as soon as it hears that the adapter has left. */
#define PORT_STATE_NS (60 * INT64_C(1000000000))

const struct host *skr_policy_move_target(const struct adapter *adapter)
{
    return adapter->move ? adapter->move->target : NULL;
}

struct host *skr_policy_move_unlink(struct adapter *adapter)
{
    struct move *move = adapter->move;
    struct host *target = move ? move->target : NULL;

    if (target)
        LIST_REMOVE(move, target_link);
    if (move)
        move->target = NULL;
    return target;
}

void skr_policy_move_link(struct skr_policy *policy, struct adapter *adapter, const struct skr_object *object)
{
    struct host *target = skr_policy_apply_reference(policy, object, SKR_NETWORK_ADAPTER_TARGET_HOST_ID, SKR_HOST);

    if (!target)
        return;
    if (!adapter->move) {
        adapter->move = skr_policy_must(calloc(1, sizeof(*adapter->move)));
        adapter->move->adapter = adapter;
    }
    adapter->move->target = target;
    LIST_INSERT_HEAD(&target->arriving, adapter->move, target_link);
}

void skr_policy_move_arrived(struct skr_policy *policy, struct adapter *adapter, const struct host *source,
                             const struct host *target)
{
    struct move *move = adapter->move;

    if (!move || !source || source == adapter->host)
        return;
    move->has_former = target && target == adapter->host;
    move->former = source->node.key.id;
    move->arrived_ns = policy->now_ns;
}

void skr_policy_move_forget(struct adapter *adapter)
{
    const struct move *move = adapter->move;

    if (!move || move->target || move->scope || move->member || (move->has_former && adapter->node.present))
        return;
    free(adapter->move);
    adapter->move = NULL;
}

void skr_policy_move_port_state(struct skr_policy *policy, const struct session *session, Skerry__V1__PortState *state)
{
    Skerry__V1__Envelope envelope = SKERRY__V1__ENVELOPE__INIT;
    struct skr_uuid id;

    if (state->adapter_id.len != sizeof(id.bytes))
        return;
    memcpy(id.bytes, state->adapter_id.data, sizeof(id.bytes));
    struct adapter *adapter = skr_policy_graph_find(policy, SKR_NETWORK_ADAPTER, &id);
    struct move *move = adapter ? adapter->move : NULL;
    if (!move || !move->has_former || !skr_uuid_equal(&move->former, &session->host->node.key.id))
        return;
    const struct session *target = adapter->host ? adapter->host->session : NULL;
    if (target && target->state == SESSION_LIVE && policy->now_ns - move->arrived_ns <= PORT_STATE_NS) {
        envelope.body_case = SKERRY__V1__ENVELOPE__BODY_PORT_STATE;
        envelope.port_state = state;
        skr_policy_session_send(policy, target, &envelope);
    }
    move->has_former = false;
    skr_policy_move_forget(adapter);
}
