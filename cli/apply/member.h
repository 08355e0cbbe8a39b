/* Members as people write them, in manifests and as flags of create: "vm_network" for vm_network_id, "host_groups" for
 * host_group_ids, values as words. Pure functions over the resource tables. */
#pragma once

#include <jansson.h>
#include <skerry/error.h>
#include <skerry/resource.h>
#include <stdbool.h>

/* The field of a member, by its name or the short name of a reference. -1 and a sentence ("did you mean") in *error,
 * which may be NULL. */
int skr_member_find(const struct skr_resource *resource, const char *name, struct skr_error *error);
/* vm_network_id -> vm_network, host_group_ids -> host_groups; other fields keep their name. */
void skr_member_short_name(const struct skr_field *field, char *out, size_t size);
/* May a request write it? Secrets that nobody writes are READ_ONLY: a token's, a session's. */
bool skr_member_is_writable(const struct skr_field *field);
/* A copy of a member's value without what no request may write in it, such as the ids of entries: new reference. */
json_t *skr_member_writable_part(const struct skr_field *field, const json_t *value);
/* A value from the word of a flag, new reference: numbers, yes/no, lists by commas, maps as a=b,c=d, JSON where it
 * begins like JSON, null. References stay names. INVALID with a sentence. NULL text: the flag stood alone. */
int skr_member_from_text(const struct skr_field *field, const char *text, json_t **ret, struct skr_error *error);
