/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One finding on one screen: what it is, how much it costs, who and where, what to do, the evidence.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/text.h"
#include "report/units.h"

#define LABEL_INDENT 4
#define VALUE_INDENT 13
#define TITLE_LINES 2
#define REMEDY_LINES 3
#define CAUSE_LINES 3
#define EVIDENCE_LINES 4
#define STACK_LINES_MIN 5
#define SIDES_LINES_MIN 8
#define ID_SIZE 24

const char *text_severity(enum severity severity)
{
    static const char *const names[] = {
        [SEVERITY_NOTE] = "NOTE", [SEVERITY_WARNING] = "WARNING", [SEVERITY_ERROR] = "ERROR"};
    return names[severity];
}

enum line_ink text_severity_ink(enum severity severity)
{
    return severity == SEVERITY_ERROR ? INK_ERROR : severity == SEVERITY_WARNING ? INK_WARNING : INK_NOTE;
}

double text_share(const struct finding *finding)
{
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (finding->evidence[i].type == EVIDENCE_RATIO && strcmp(finding->evidence[i].key, "share") == 0)
            return finding->evidence[i].ratio;
    return -1;
}

const char *text_peer(const struct peer *peer, char *buffer, size_t size)
{
    bool spoken = peer->protocol && strcmp(peer->protocol, "unknown") != 0;
    bool obvious = peer->family && strncmp(peer->family, "inet", 4) == 0;
    const char *address = peer->address && peer->address[0] ? peer->address : "(unnamed)";

    if (spoken || obvious)
        snprintf(buffer, size, "%s%s%s", spoken ? peer->protocol : "", spoken ? " " : "", address);
    else
        snprintf(buffer, size, "%s (%s)", address, peer->family ? peer->family : "unknown");
    return buffer;
}

unsigned text_paragraph(const struct report_style *style, const char *label, unsigned indent, const char *text,
                        enum line_ink ink, unsigned max_lines, FILE *out)
{
    char part[1024];
    unsigned lines = 0;

    while (lines < max_lines && line_wrap(&text, style->columns - indent, part, sizeof(part))) {
        struct line line;
        bool cut = lines + 1 == max_lines && text[strspn(text, " ")] != '\0';
        line_begin(&line, style);
        line_pad(&line, indent > LABEL_INDENT ? LABEL_INDENT : 0);
        if (lines == 0)
            line_print(&line, "%s", label);
        line_pad(&line, indent);
        line_ink(&line, ink);
        line_text(&line, part, line_left(&line) - (cut ? 2 : 0), LINE_CUT_END);
        if (cut)
            line_print(&line, " …");
        line_ink(&line, INK_NONE);
        line_end(&line, out);
        lines++;
    }
    return lines;
}

static unsigned header_write(const struct report *report, size_t i, const struct report_style *style, FILE *out)
{
    const struct finding *finding = &report->findings[i];
    char id[ID_SIZE];
    struct line line;

    snprintf(id, sizeof(id), "id %016" PRIx64, finding->id);
    line_begin(&line, style);
    line_print(&line, "%zu/%zu ", i + 1, report->finding_count);
    line_ink(&line, text_severity_ink(finding->severity));
    line_print(&line, "%s %s", text_severity(finding->severity), finding->rule);
    line_ink(&line, INK_DIM);
    line_print(&line, " ");
    while (line.columns + ID_SIZE - 4 < style->columns)
        line_print(&line, "─");
    line_right(&line, id, style->columns);
    line_ink(&line, INK_NONE);
    line_end(&line, out);
    return 1 + text_paragraph(style, "", LABEL_INDENT, finding->title, INK_BOLD, TITLE_LINES, out);
}

static unsigned cost_write(const struct finding *finding, const struct report_style *style, FILE *out)
{
    char count[UNIT_SIZE], rate[UNIT_SIZE] = "", total[UNIT_SIZE], share[2 * UNIT_SIZE] = "", number[UNIT_SIZE];
    char longest[UNIT_SIZE], p99[UNIT_SIZE], text[8 * UNIT_SIZE];
    uint64_t span_ns = finding->last_real_ns - finding->first_real_ns;

    if (finding->last_real_ns > finding->first_real_ns && span_ns >= 1000000000 && finding->count > 1)
        snprintf(rate, sizeof(rate), " (%.3g/s)", (double)finding->count * 1e9 / (double)span_ns);
    if (text_share(finding) >= 0)
        snprintf(share, sizeof(share), ", %s of the %s's time", unit_share(text_share(finding), number, sizeof(number)),
                 finding->thread.loop ? "loop" : "thread");
    if (finding->max_ns == 0) {
        snprintf(text, sizeof(text), "%s time%s%s", unit_count(finding->count, count, sizeof(count)),
                 finding->count == 1 ? "" : "s", rate);
        return text_paragraph(style, "", LABEL_INDENT, text, INK_NONE, 2, out);
    }
    snprintf(text, sizeof(text), "%s time%s%s, %s in all%s; longest %s, p99 %s",
             unit_count(finding->count, count, sizeof(count)), finding->count == 1 ? "" : "s", rate,
             unit_duration(finding->total_ns, total, sizeof(total)), share,
             unit_duration(finding->max_ns, longest, sizeof(longest)),
             unit_duration(finding->p99_ns, p99, sizeof(p99)));
    return text_paragraph(style, "", LABEL_INDENT, text, INK_NONE, 2, out);
}

static void label_begin(struct line *line, const char *label, const struct report_style *style)
{
    line_begin(line, style);
    line_pad(line, LABEL_INDENT);
    line_print(line, "%s", label);
    line_pad(line, VALUE_INDENT);
}

static unsigned who_write(const struct finding *finding, const struct report_style *style, FILE *out)
{
    const struct process_info *process = &finding->process;
    struct line line;

    label_begin(&line, "process", style);
    line_print(&line, "%" PRIu32 "  ", process->pid);
    line_text(&line, process->cmdline && process->cmdline[0] ? process->cmdline : process->exe, 60, LINE_CUT_END);
    if (process->host && process->host[0])
        line_print(&line, "  on %s", process->host);
    line_end(&line, out);
    label_begin(&line, "thread", style);
    line_print(&line, "%" PRIu32 "  ", finding->thread.tid);
    line_text(&line, finding->thread.name, 40, LINE_CUT_END);
    if (finding->thread.loop)
        line_print(&line, ", runs an event loop");
    line_end(&line, out);
    return 2;
}

static const char *evidence_string(const struct finding *finding, const char *key)
{
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (finding->evidence[i].type == EVIDENCE_STRING && strcmp(finding->evidence[i].key, key) == 0)
            return finding->evidence[i].string;
    return NULL;
}

/* Who ended the waits, and where that thread was. Returns the lines that it took. */
static unsigned waker_write(const struct finding *finding, const struct report_style *style, FILE *out)
{
    const char *by = evidence_string(finding, "woken_by"), *from = evidence_string(finding, "woken_from");
    struct line line;
    if (!by)
        return 0;
    label_begin(&line, "woken by", style);
    line_print(&line, "%s", by);
    line_end(&line, out);
    if (!from)
        return 1;
    label_begin(&line, "", style);
    line_print(&line, "in %s", from);
    line_end(&line, out);
    return 2;
}

/* What that one waited for meanwhile, perhaps by way of others. */
static unsigned cause_write(const struct finding *finding, const struct report_style *style, FILE *out)
{
    const char *cause = evidence_string(finding, "root_cause");
    return cause ? text_paragraph(style, "because", VALUE_INDENT, cause, INK_NONE, CAUSE_LINES, out) : 0;
}

static unsigned target_write(const struct finding *finding, const struct report_style *style, FILE *out)
{
    char peer[512], first[UNIT_SIZE], last[UNIT_SIZE];
    struct line line;
    unsigned lines = 1;

    if (finding->peer) {
        label_begin(&line, "peer", style);
        line_print(&line, "%s", text_peer(finding->peer, peer, sizeof(peer)));
        if (finding->peer->name)
            line_print(&line, "  %s", finding->peer->name);
        line_end(&line, out);
        lines++;
    }
    bool said = finding->peer && finding->operation && strcmp(finding->operation, finding->peer->address) == 0;
    if (finding->operation && !said) { /* of a file both are its path */
        label_begin(&line, "doing", style);
        line_print(&line, "%s", finding->operation);
        line_end(&line, out);
        lines++;
    }
    if (finding->context.name) {
        label_begin(&line, "while", style);
        line_print(&line, "%s %s", finding->context.task ? "running the task" : "serving", finding->context.name);
        if (finding->context.others > 0)
            line_print(&line, ", and %" PRIu64 " other%s", finding->context.others,
                       finding->context.others == 1 ? "" : "s");
        line_end(&line, out);
        lines++;
    }
    lines += waker_write(finding, style, out);
    lines += cause_write(finding, style, out);
    label_begin(&line, "seen", style);
    unit_date(finding->first_real_ns, first, sizeof(first));
    unit_date(finding->last_real_ns, last, sizeof(last));
    line_print(&line, "%s", first);
    if (strcmp(first, last) != 0)
        line_print(&line, " to %s", strncmp(first, last, 11) == 0 ? last + 11 : last);
    line_print(&line, " UTC");
    line_end(&line, out);
    return lines;
}

static const char *evidence_value(const struct evidence *evidence, char *buffer, size_t size)
{
    switch (evidence->type) {
    case EVIDENCE_U64:
        return unit_count(evidence->u64, buffer, size);
    case EVIDENCE_NS:
        return unit_duration(evidence->u64, buffer, size);
    case EVIDENCE_RATIO:
        return unit_share(evidence->ratio, buffer, size);
    case EVIDENCE_NUMBER:
        snprintf(buffer, size, "%.3g", evidence->ratio);
        return buffer;
    case EVIDENCE_STRING:
        snprintf(buffer, size, "%s", evidence->string ? evidence->string : "?");
        return buffer;
    case EVIDENCE_SERIES:
        return unit_spark(evidence->series->counts, evidence->series->count, buffer, size);
    case EVIDENCE_TABLE:
        break;
    }
    return "?";
}

/* "gil_wait_ns" for people: "gil wait". Durations carry their unit. */
static void evidence_label(const struct evidence *evidence, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s", evidence->key);
    size_t length = strlen(buffer);
    if (evidence->type == EVIDENCE_NS && length > 3 && strcmp(buffer + length - 3, "_ns") == 0)
        buffer[length - 3] = '\0';
    for (char *c = buffer; *c; c++)
        if (*c == '_')
            *c = ' ';
}

/* Items in rows, aligned; an item that is too wide for its cell takes the next cells too. */
static void evidence_write(const struct finding *finding, const struct report_style *style, FILE *out)
{
    unsigned cell = (style->columns - VALUE_INDENT) / 3, lines = 0;
    struct line line;

    for (size_t i = 0; i < finding->evidence_count; i++) {
        char label[64], value[512], item[600];
        const struct evidence *evidence = &finding->evidence[i];
        if (strcmp(evidence->key, "share") == 0 || strncmp(evidence->key, "woken_", 6) == 0 ||
            strcmp(evidence->key, "root_cause") == 0 || evidence->type == EVIDENCE_TABLE)
            continue; /* stands beside the total, or has a line of its own, or is too much for a screen */
        evidence_label(&finding->evidence[i], label, sizeof(label));
        snprintf(item, sizeof(item), "%s %s", label, evidence_value(&finding->evidence[i], value, sizeof(value)));
        unsigned column = VALUE_INDENT;
        if (lines > 0)
            column += (line.columns - VALUE_INDENT + cell + 1) / cell * cell;
        if (lines == 0 || column + line_width(item) > style->columns) {
            if (lines > 0)
                line_end(&line, out);
            if (lines == EVIDENCE_LINES)
                return;
            label_begin(&line, lines == 0 ? "evidence" : "", style);
            column = VALUE_INDENT;
            lines++;
        }
        line_pad(&line, column);
        line_print(&line, "%s", item);
    }
    if (lines > 0)
        line_end(&line, out);
}

/* Lines that evidence_write and the remedy will take, found by writing them nowhere. */
static unsigned tail_lines(const struct finding *finding, const struct report_style *style)
{
    char *bytes = NULL;
    size_t size = 0;
    unsigned lines = 0;
    FILE *memory = open_memstream(&bytes, &size);

    if (!memory)
        return REMEDY_LINES + EVIDENCE_LINES;
    if (finding->remedy)
        text_paragraph(style, "remedy", VALUE_INDENT, finding->remedy, INK_NONE, REMEDY_LINES, memory);
    evidence_write(finding, style, memory);
    fclose(memory);
    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    free(bytes);
    return lines;
}

/* Where nothing was waited for, the stacks are the sides of a conflict: two of them are shown, each with its part in
 * it. */
static void sides_write(const struct finding *finding, unsigned lines, const struct report_style *style, FILE *out)
{
    struct line line;

    for (size_t i = 0; i < 2; i++) {
        line_begin(&line, style);
        line_pad(&line, LABEL_INDENT);
        line_text(&line, finding->stacks[i].role, line_left(&line), LINE_CUT_END);
        line_end(&line, out);
        text_stack(finding->stacks[i].stack, &finding->process, lines / 2 - 1, style, out);
    }
    if (finding->stack_count > 2) {
        line_begin(&line, style);
        line_pad(&line, LABEL_INDENT + 2);
        line_print(&line, "(%zu more stack%s in the JSON report)", finding->stack_count - 2,
                   finding->stack_count == 3 ? "" : "s");
        line_end(&line, out);
    }
}

static void stacks_write(const struct finding *finding, unsigned lines, const struct report_style *style, FILE *out)
{
    const struct finding_stack *heaviest = &finding->stacks[0];
    char total[UNIT_SIZE];
    struct line line;

    if (finding->stack_count > 1 || !heaviest->stack->complete)
        lines--;
    text_stack(heaviest->stack, &finding->process, lines, style, out);
    if (finding->stack_count > 1) {
        line_begin(&line, style);
        line_pad(&line, LABEL_INDENT + 2);
        line_print(&line, "(%s of it here; %zu more stack%s in the JSON report)",
                   unit_duration(heaviest->total_ns, total, sizeof(total)), finding->stack_count - 1,
                   finding->stack_count == 2 ? "" : "s");
        line_end(&line, out);
    } else if (!heaviest->stack->complete) {
        line_begin(&line, style);
        line_pad(&line, LABEL_INDENT + 2);
        line_print(&line, "(the outer end of this stack could not be read)");
        line_end(&line, out);
    }
}

void text_finding(const struct report *report, size_t i, const struct report_style *style, FILE *out)
{
    const struct finding *finding = &report->findings[i];
    unsigned used = 1; /* the blank line */

    used += header_write(report, i, style, out);
    used += cost_write(finding, style, out);
    used += who_write(finding, style, out);
    used += target_write(finding, style, out);
    used += tail_lines(finding, style);
    if (finding->stack_count > 0 && finding->stacks[0].stack && finding->stacks[0].stack->count > 0) {
        unsigned left = used + STACK_LINES_MIN < TEXT_FINDING_LINES ? TEXT_FINDING_LINES - used : STACK_LINES_MIN;
        if (finding->total_ns == 0 && finding->stack_count > 1)
            sides_write(finding, left < SIDES_LINES_MIN ? SIDES_LINES_MIN : left, style, out);
        else
            stacks_write(finding, left, style, out);
    }
    if (finding->remedy)
        text_paragraph(style, "remedy", VALUE_INDENT, finding->remedy, INK_NONE, REMEDY_LINES, out);
    evidence_write(finding, style, out);
    fputc('\n', out);
}
