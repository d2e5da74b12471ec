/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/policy_file.h"

#include <inttypes.h>
#include <stdlib.h>

#include "analysis/policy.h"
#include "cli/message.h"
#include "cli/output.h"

/* Double-quoted YAML: an abstract socket's name may hold anything. */
static void quoted_write(const char *text, FILE *out)
{
    fputc('"', out);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fputc('\\', out);
        fputc(*c, out);
    }
    fputc('"', out);
}

static void endpoint_write(const struct endpoint *endpoint, FILE *out)
{
    char *entry = memory_need(policy_entry_of(&endpoint->peer));

    fprintf(out, "    - ");
    quoted_write(entry, out);
    fprintf(out, "  # %" PRIu64 " connects, %" PRIu64 " requests", endpoint->connects, endpoint->requests);
    if (endpoint->peer.name)
        fprintf(out, ", %s", endpoint->peer.name);
    fputc('\n', out);
    free(entry);
}

int policy_file_write(const char *path, const struct report *report, size_t *written, char *error, size_t error_size)
{
    struct output output;
    int rc = output_open(&output, path, error, error_size);

    if (rc < 0)
        return rc;
    *written = 0;
    fprintf(output.file,
            "# Peers as they were recorded. What should not be there: delete it.\n"
            "connect:\n  mode: enforce\n  allow:");
    for (size_t i = 0; i < report->endpoint_count; i++) {
        if (policy_excuses(&report->endpoints[i].peer))
            continue;
        if ((*written)++ == 0)
            fputc('\n', output.file);
        endpoint_write(&report->endpoints[i], output.file);
    }
    if (*written == 0)
        fprintf(output.file, " []\n");
    return output_close(&output, error, error_size);
}
