/* A document is the text of a file that a user gives: JSON, or YAML 1.2 in its core schema, as one JSON value. Several
 * YAML documents in one text ("---") become an array of all. Anchors, aliases and tags are refused: nobody needs them
 * here, and an alias can make a short text unboundedly large. A pure function. */
#pragma once

#include <jansson.h>
#include <skerry/error.h>
#include <stddef.h>

#define SKR_DOCUMENT_DEPTH_MAX 64 /* lists and maps within one another */

/* SYNTAX with line and column; *ret (new reference) untouched. `what` names the text in the sentence: a file's path. */
int skr_document_parse(const char *what, const char *text, size_t size, json_t **ret, struct skr_error *error);
