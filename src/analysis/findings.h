/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Findings while the rules make them. All memory belongs to the arena, which lives as long as the report.
 */
#ifndef CPROBE_ANALYSIS_FINDINGS_H
#define CPROBE_ANALYSIS_FINDINGS_H

#include "analysis/arena.h"
#include "analysis/finding.h"
#include "analysis/model.h"
#include "analysis/words.h"

#define EVIDENCE_MAX 32 /* pieces of evidence that one finding may have */

struct findings {
    struct arena *arena;
    struct finding *list;
    size_t count, capacity;
};

/* A new finding of the rule, with room for evidence. Valid until the next call. */
struct finding *findings_add(struct findings *findings, const char *rule);
/* The finding with this fingerprint, or NULL. */
struct finding *findings_find(const struct findings *findings, uint64_t id);
/* Worst first: severity, then total time, then fingerprint. */
void findings_sort(struct findings *findings);

/* `key` and `value` must live as long as the report. */
void evidence_count(struct finding *finding, const char *key, uint64_t value);
void evidence_time(struct finding *finding, const char *key, uint64_t ns);
void evidence_ratio(struct finding *finding, const char *key, double value);
void evidence_number(struct finding *finding, const char *key, double value);
void evidence_text(struct finding *finding, const char *key, const char *value);
void evidence_series(struct finding *finding, const char *key, const struct series *value);
void evidence_table(struct finding *finding, const char *key, const struct table *value);

struct process_info process_info_of(const struct model_process *process);
struct thread_info thread_info_of(const struct model_thread *thread);
/* The peer that an endpoint of this process stands for; NULL for ids that name no peer (no descriptor, a waitset, …).
 */
const struct peer *peer_of(const struct model_process *process, uint32_t endpoint, struct arena *arena);
/* "mysql 127.0.0.1:3306"; without the protocol where that is unknown. */
const char *words_peer(const struct peer *peer, struct arena *arena);
/* "inet", "unix", "file", … */
const char *family_name(enum endpoint_kind kind);

#endif
