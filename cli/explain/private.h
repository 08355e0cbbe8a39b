/* Inside of explain. */
#pragma once

#include "cli/explain/explain.h"

#include <skerry/macros.h>

/* Appends a finding and returns its state. */
enum skr_finding_state skr_finding_add(json_t *findings, enum skr_finding_state state, const char *format, ...)
        SKR_PRINTF(3, 4);
/* Adds findings that say how the access control lists of one end judge the packet. `incoming`: the packet goes to this
 * end. */
enum skr_finding_state skr_explain_lists(json_t *findings, const struct skr_explain_facts *facts, bool incoming);
const char *skr_text_of(const json_t *object, const char *name);
