/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/flame_tree.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/arena.h"
#include "report/flame.h"

struct node_search {
    const struct flame_tree *tree;
    struct flame_node node;
};

static bool node_equal(const void *context, uint32_t item)
{
    const struct node_search *search = context;
    const struct flame_node *a = &search->node, *b = &search->tree->nodes[item];
    return a->parent == b->parent && a->item == b->item && a->depth == b->depth;
}

static uint32_t node_put(struct flame_tree *tree, uint32_t parent, uint32_t item, uint32_t depth)
{
    struct node_search search = {tree, {parent, item, depth, 0}};
    uint64_t hash = profile_hash(profile_hash(PROFILE_HASH_START, (uint64_t)parent << 32 | item), depth);
    bool added;
    uint32_t number = profile_index_put(&tree->index, hash, node_equal, &search, &added);
    if (added) {
        tree->nodes = memory_grow(tree->nodes, number, &tree->capacity, sizeof(*tree->nodes));
        tree->nodes[number] = search.node;
    }
    return number;
}

struct label_search {
    const struct profile *profile;
    const uint32_t *items; /* frame of each distinct label */
    const char *label;
    enum profile_frame_kind kind;
};

static bool label_equal(const void *context, uint32_t item)
{
    const struct label_search *search = context;
    const struct profile_frame *frame = &search->profile->frames[search->items[item]];
    char label[FLAME_LABEL_SIZE];
    return frame->kind == search->kind && strcmp(flame_label(frame, label, sizeof(label)), search->label) == 0;
}

static uint32_t *labels_merge(const struct profile *profile)
{
    uint32_t *same = memory_get(profile->frame_count + 1, sizeof(*same));
    uint32_t *items = memory_get(profile->frame_count + 1, sizeof(*items));
    struct profile_index index = {0};
    for (size_t i = 0; i < profile->frame_count; i++) {
        char label[FLAME_LABEL_SIZE];
        bool added;
        flame_label(&profile->frames[i], label, sizeof(label));
        struct label_search search = {profile, items, label, profile->frames[i].kind};
        uint32_t number =
            profile_index_put(&index, profile_hash_text(PROFILE_HASH_START, label), label_equal, &search, &added);
        if (added)
            items[number] = (uint32_t)i;
        same[i] = items[number];
    }
    profile_index_free(&index);
    free(items);
    return same;
}

void flame_tree_init(struct flame_tree *tree, const struct profile *profile, bool merge)
{
    *tree = (struct flame_tree){.profile = profile};
    tree->same = merge ? labels_merge(profile) : NULL;
    node_put(tree, 0, 0, 0);
}

uint32_t flame_tree_add(struct flame_tree *tree, const struct profile_stack *stack)
{
    uint32_t node = node_put(tree, 0, stack->thread, 1);
    tree->nodes[0].total_ns += stack->total_ns;
    tree->nodes[node].total_ns += stack->total_ns;
    for (size_t i = 0; i < stack->frame_count; i++) {
        uint32_t frame = tree->same ? tree->same[stack->frames[i]] : stack->frames[i];
        node = node_put(tree, node, frame, (uint32_t)i + 2);
        tree->nodes[node].total_ns += stack->total_ns;
    }
    return node;
}

void flame_tree_free(struct flame_tree *tree)
{
    free(tree->nodes);
    free(tree->same);
    profile_index_free(&tree->index);
}
