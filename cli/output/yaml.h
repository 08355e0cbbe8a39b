/* JSON values as YAML 1.2, for reading. Texts that YAML would take for something else are quoted as JSON texts.
 * cli/apply/document.h reads this output. */
#pragma once

#include <jansson.h>
#include <stdio.h>

void skr_yaml_print(const json_t *value, FILE *out);
