/* Bodies of desired objects: which message belongs to which type, and whether every field holds what it may. A body
 * that passed skr_body_unpack() has ids, addresses, MACs and VSIDs of the right size and range, so that what compiles
 * them needs no second look. The skr_body_* readers return values from such bodies. */
#pragma once

#include "agent/desired/arena.h"
#include <skerry/address.h>
#include <skerry/uuid.h>
#include <skerry/v1/southbound.pb-c.h>
#include <stdbool.h>

#define SKR_BODY_ADDRESSES_MAX       4096 /* addresses of a port, PAs of a member, uplinks of a host */
#define SKR_BODY_VSIDS_MAX           65536
#define SKR_BODY_NAME_MAX            1024 /* bytes: 255 characters of UTF-8 */
#define SKR_BODY_INTERFACE_NAME_SIZE 16

/* NULL: malformed, over the bounds, or of a type that does not belong into such a scope. An object of a type that this
 * agent does not know is an empty message, whatever its bytes: it is kept for the digest and reported as not supported.
 */
ProtobufCMessage *skr_body_unpack(struct skr_arena *arena, Skerry__V1__ScopeKind kind, const struct skr_uuid *scope_id,
                                  Skerry__V1__ObjectType type, const struct skr_uuid *id, const uint8_t *data,
                                  size_t size);

bool skr_body_scope(Skerry__V1__ScopeKind kind); /* one of those there are */
bool skr_body_known(Skerry__V1__ObjectType type);
bool skr_body_belongs(Skerry__V1__ScopeKind kind, Skerry__V1__ObjectType type);

bool skr_body_uuid(const ProtobufCBinaryData *bytes, struct skr_uuid *ret);
/* 4 or 16 bytes; IPv4 becomes ::ffff:a.b.c.d. */
bool skr_body_address(const ProtobufCBinaryData *bytes, struct skr_address *ret);
bool skr_body_mac(const ProtobufCBinaryData *bytes, struct skr_mac *ret);
bool skr_body_prefix(const ProtobufCBinaryData *bytes, uint32_t length, struct skr_prefix *ret);
/* A name that an interface may have: 1 to 15 bytes, no slash, no space, neither "." nor "..". */
bool skr_body_interface_name(const char *name);
