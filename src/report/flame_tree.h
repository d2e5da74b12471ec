/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stacks put together at their common outer frames: what flame graphs draw. */
#ifndef CPROBE_REPORT_FLAME_TREE_H
#define CPROBE_REPORT_FLAME_TREE_H

#include "analysis/profile.h"
#include "analysis/profile_index.h"

struct flame_node {
    uint32_t parent; /* a node's parent stands before it; the root's is itself */
    uint32_t item;   /* depth 1: index into profile.threads; deeper: into profile.frames */
    uint32_t depth;  /* root: 0 */
    uint64_t total_ns;
};

struct flame_tree {
    const struct profile *profile;
    struct flame_node *nodes; /* the root first */
    size_t capacity;
    struct profile_index index; /* index.count: number of nodes */
    uint32_t *same;             /* by frame: the first frame with the same label; NULL: frames are kept apart */
};

/* merge: frames that look the same are the same, whatever line they are at. */
void flame_tree_init(struct flame_tree *tree, const struct profile *profile, bool merge);
/* Adds the stack's time to its nodes. Returns the node of its innermost frame. */
uint32_t flame_tree_add(struct flame_tree *tree, const struct profile_stack *stack);
void flame_tree_free(struct flame_tree *tree);

#endif
