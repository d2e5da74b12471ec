/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Findings that are known already: a JSON file of fingerprints, with rule and title beside each for people who review
 * it. { "version": 1, "findings": [ {"id": "16 hex digits", "rule": "…", "title": "…"} ] }
 */
#ifndef CPROBE_CLI_BASELINE_H
#define CPROBE_CLI_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/finding.h"

struct baseline_entry {
    uint64_t id;
    char *rule, *title; /* "" where the file has none */
    bool seen;
};

struct baseline {
    struct baseline_entry *entries;
    size_t count, capacity;
};

/* 0, or negative errno with a sentence that says what is wrong with the file, and where. */
int baseline_load(struct baseline *baseline, const char *path, char *error, size_t error_size);

/* Whether the fingerprint is known; its entry is marked as seen. */
bool baseline_contains(struct baseline *baseline, uint64_t id);

/* Names the entries that were not seen, one message each. */
void baseline_report_stale(const struct baseline *baseline, const char *path);

/* Writes the fingerprints of all findings, whole or not at all. 0 or negative errno with a sentence. */
int baseline_write(const char *path, const struct finding *findings, size_t count, char *error, size_t error_size);

void baseline_free(struct baseline *baseline);

#endif
