/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A still picture of the flame graph (SVG 1.1): root on top, widths are shares of time, no script; a viewer shows names
 * and times when the pointer rests on a frame. Frames narrower than PIXELS_MIN are left out and counted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/flame.h"
#include "report/flame_tree.h"
#include "report/units.h"
#include "report/utf8.h"

#define WIDTH 1200.0
#define MARGIN 10.0
#define TOP 62.0
#define ROW 18.0
#define PIXELS_MIN 0.6
#define CHARACTER 6.6 /* width of one, about */

struct drawing {
    const struct flame_tree *tree;
    double *left;   /* by node: where its next child begins, in nanoseconds from the left */
    uint64_t total; /* at least 1 */
    size_t hidden;
    FILE *out;
};

static void xml_write(const char *text, size_t characters, FILE *out)
{
    size_t left = strlen(text);
    for (size_t n = 0; left > 0 && n < characters; n++) {
        uint32_t code;
        size_t length = utf8_decode(text, left, &code);
        if (*text == '<' || *text == '>' || *text == '&' || *text == '"')
            fprintf(out, "&#%d;", *text);
        else
            fwrite(text, 1, length, out);
        text += length;
        left -= length;
    }
}

static const char *node_colour(const struct profile *profile, const struct flame_node *node)
{
    static const char *const colours[] = {[PROFILE_NATIVE] = "#f0b35c",
                                          [PROFILE_PYTHON] = "#7fb3e6",
                                          [PROFILE_KERNEL] = "#e98b6d",
                                          [PROFILE_NOTE] = "#c9ced6",
                                          [PROFILE_ENDPOINT] = "#b79be0"};
    if (node->depth == 0)
        return "#dfe3e8";
    if (node->depth == 1)
        return profile->threads[node->item].loop_kind ? "#8fd19e" : "#cfe3d4";
    return colours[profile->frames[node->item].kind];
}

static char *node_label(const struct flame_tree *tree, const struct flame_node *node, char *label, size_t size)
{
    if (node->depth == 0)
        snprintf(label, size, "all");
    else if (node->depth == 1)
        flame_thread_title(&tree->profile->threads[node->item], label, size);
    else
        flame_label(&tree->profile->frames[node->item], label, size);
    return label;
}

static void rectangle_draw(struct drawing *drawing, const struct flame_node *node, double begin)
{
    double scale = (WIDTH - 2 * MARGIN) / (double)drawing->total;
    double x = MARGIN + begin * scale, width = (double)node->total_ns * scale, y = TOP + node->depth * ROW;
    char label[FLAME_LABEL_SIZE], time[UNIT_SIZE], share[UNIT_SIZE];
    if (width < PIXELS_MIN) {
        drawing->hidden++;
        return;
    }
    node_label(drawing->tree, node, label, sizeof(label));
    fputs("<g><title>", drawing->out);
    xml_write(label, sizeof(label), drawing->out);
    fprintf(drawing->out, ": %s, ", unit_duration(node->total_ns, time, sizeof(time)));
    xml_write(unit_part(node->total_ns, drawing->total, share, sizeof(share)), sizeof(share), drawing->out);
    fprintf(drawing->out, "</title><rect x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%.0f\" rx=\"2\" fill=\"%s\"/>",
            x, y, width > 1 ? width - 0.5 : width, ROW - 1, node_colour(drawing->tree->profile, node));
    if (width > 4 * CHARACTER) {
        fprintf(drawing->out, "<text x=\"%.2f\" y=\"%.0f\">", x + 3, y + ROW - 5);
        xml_write(label, (size_t)((width - 6) / CHARACTER), drawing->out);
        fputs("</text>", drawing->out);
    }
    fputs("</g>\n", drawing->out);
}

/* Children stand in the order of their creation, i.e. the heaviest stack's first; parents come before them. */
static void nodes_draw(struct drawing *drawing)
{
    for (size_t i = 0; i < drawing->tree->index.count; i++) {
        const struct flame_node *node = &drawing->tree->nodes[i];
        double begin = i == 0 ? 0 : drawing->left[node->parent];
        drawing->left[i] = begin;
        if (i > 0)
            drawing->left[node->parent] += (double)node->total_ns;
        rectangle_draw(drawing, node, begin);
    }
}

static double height_of(const struct flame_tree *tree)
{
    uint32_t depth = 0;
    for (size_t i = 0; i < tree->index.count; i++)
        depth = tree->nodes[i].depth > depth ? tree->nodes[i].depth : depth;
    return TOP + (depth + 1) * ROW + 2 * MARGIN + ROW;
}

static void head_draw(const struct flame *flame, uint64_t total, double height, FILE *out)
{
    const struct profile_kind *kind = profile_kind_at(flame->kind);
    char time[UNIT_SIZE], span[UNIT_SIZE], date[UNIT_SIZE];
    fprintf(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 "
        "%.0f %.0f\" font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" "
        "font-size=\"11\">\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n"
        "<text x=\"%.0f\" y=\"26\" font-size=\"17\" font-family=\"sans-serif\">cprobe: %s, %s in all threads</text>\n"
        "<text x=\"%.0f\" y=\"46\" fill=\"#555555\" font-family=\"sans-serif\">%s. Recorded %s UTC for %s%s</text>\n",
        WIDTH, height, WIDTH, height, MARGIN, kind->name, unit_duration(total, time, sizeof(time)), MARGIN,
        kind->description, unit_date(flame->profile->start_real_ns, date, sizeof(date)),
        unit_duration(flame->profile->span_ns, span, sizeof(span)),
        flame->idle ? "; with idle event loops" : "; without idle event loops");
}

int flame_svg_write(const struct flame *flame, FILE *out)
{
    const struct profile_stack *stack;
    struct flame_tree tree;
    int result = -ENOMEM;
    flame_tree_init(&tree, flame->profile, true);
    for (size_t i = 0; (stack = flame_next(flame, &i));)
        flame_tree_add(&tree, stack);
    struct drawing drawing = {&tree, calloc(tree.index.count, sizeof(double)), tree.nodes[0].total_ns, 0, out};
    if (drawing.left) {
        double height = height_of(&tree);
        head_draw(flame, drawing.total, height, out);
        drawing.total = drawing.total ? drawing.total : 1;
        nodes_draw(&drawing);
        if (drawing.hidden > 0)
            fprintf(out,
                    "<text x=\"%.0f\" y=\"%.0f\" fill=\"#555555\">frames left out, each below %.2f %% of the time: "
                    "%zu</text>\n",
                    MARGIN, height - MARGIN, 100 * PIXELS_MIN / (WIDTH - 2 * MARGIN), drawing.hidden);
        fputs("</svg>\n", out);
        result = 0;
    }
    free(drawing.left);
    flame_tree_free(&tree);
    return result;
}
