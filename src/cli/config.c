/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "analysis/analysis.h"
#include "base/compiler.h"
#include "cli/message.h"

#define CONFIG_FILE "cprobe.yaml"
#define NAMES_MAX 64
#define KEY_SIZE 128

/* One allowed peer, while it is read. */
struct allowance {
    const char *peer, *process;
};

/* What is being read, and where complaints go. */
struct reader {
    struct config *config;
    const char *path;
    yaml_document_t document;
    char *error;
    size_t error_size;
    struct allowance allowance;
    bool list_only; /* connect: mode: list */
};

/* A section of the file: what it is called and who reads its value. */
struct section {
    const char *key;
    int (*read)(struct reader *reader, const yaml_node_t *value);
};

void config_init(struct config *config)
{
    memset(config, 0, sizeof(*config));
    analysis_options_init(&config->analysis);
}

void config_free(struct config *config)
{
    recorder_free(&config->record);
    suppressions_free(&config->suppressions);
    policy_free(config->policy);
}

const char *config_find(const char *named)
{
    const char *variable = getenv("CPROBE_CONFIG");

    if (named)
        return named;
    if (variable && variable[0])
        return variable;
    return access(CONFIG_FILE, F_OK) == 0 ? CONFIG_FILE : NULL;
}

static size_t node_line(const yaml_node_t *node)
{
    return node->start_mark.line + 1;
}

/* "FILE:LINE: sentence". Returns -EINVAL. */
static int complain(struct reader *reader, const yaml_node_t *node, const char *sentence)
{
    return error_set(reader->error, reader->error_size, -EINVAL, "%s:%zu: %s", reader->path, node_line(node), sentence);
}

/* As complain, for a key that is not among names[0..count). */
static int complain_key(struct reader *reader, const yaml_node_t *node, const char *key, const char *what,
                        const char *const *names, size_t count)
{
    char sentence[ERROR_SIZE / 2];

    snprintf(sentence, sizeof(sentence), "unknown %s '%.60s'", what, key);
    error_add_nearest(sentence, sizeof(sentence), key, names, count);
    return complain(reader, node, sentence);
}

static const char *scalar_text(const yaml_node_t *node)
{
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* Calls each(reader, context, key, key's node, value) for all pairs of a mapping; refuses anything else, keys that are
   no plain text, and keys that stand twice. */
static int mapping_read(struct reader *reader, const yaml_node_t *node, const char *what,
                        int (*each)(struct reader *, const char *context, const char *key, const yaml_node_t *key_node,
                                    const yaml_node_t *value),
                        const char *context)
{
    char sentence[ERROR_SIZE / 2];

    if (node->type != YAML_MAPPING_NODE) {
        snprintf(sentence, sizeof(sentence), "%s must be a mapping of keys to values", what);
        return complain(reader, node, sentence);
    }
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key_node = yaml_document_get_node(&reader->document, pair->key);
        const char *key = scalar_text(key_node);
        if (!key)
            return complain(reader, key_node, "a key must be plain text");
        for (yaml_node_pair_t *other = node->data.mapping.pairs.start; other < pair; other++) {
            const char *before = scalar_text(yaml_document_get_node(&reader->document, other->key));
            if (before && strcmp(before, key) == 0) {
                snprintf(sentence, sizeof(sentence), "key '%.60s' stands twice", key);
                return complain(reader, key_node, sentence);
            }
        }
        int rc = each(reader, context, key, key_node, yaml_document_get_node(&reader->document, pair->value));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int record_key_read(struct reader *reader, const char *context, const char *key, const yaml_node_t *key_node,
                           const yaml_node_t *value)
{
    const char *names[RECORDER_OPTION_COUNT], *text = scalar_text(value);
    char sentence[ERROR_SIZE / 2];

    (void)context;
    for (size_t i = 0; i < RECORDER_OPTION_COUNT; i++) {
        names[i] = recorder_key((enum recorder_option)i);
        if (strcmp(names[i], key) != 0)
            continue;
        if (!text)
            return complain(reader, value, "a setting of the recorder must be a single value");
        if (recorder_set(&reader->config->record, (enum recorder_option)i, text, sentence, sizeof(sentence)) < 0)
            return complain(reader, value, sentence);
        return 0;
    }
    return complain_key(reader, key_node, key, "key in record:", names, RECORDER_OPTION_COUNT);
}

static int record_read(struct reader *reader, const yaml_node_t *value)
{
    return mapping_read(reader, value, "record:", record_key_read, NULL);
}

/* Thresholds of rule `rule` without the rule's name before them. */
static size_t threshold_names(const char *rule, const char **names, size_t room)
{
    size_t count = 0, length = strlen(rule);

    for (size_t i = 0; i < analysis_option_count() && count < room; i++) {
        const char *key = analysis_option_at(i)->key;
        if (strncmp(key, rule, length) == 0 && key[length] == '.')
            names[count++] = key + length + 1;
    }
    return count;
}

static int threshold_read(struct reader *reader, const char *rule, const char *key, const yaml_node_t *key_node,
                          const yaml_node_t *value)
{
    const char *names[NAMES_MAX], *text = scalar_text(value);
    char name[KEY_SIZE], sentence[ERROR_SIZE / 2];

    if (!text)
        return complain(reader, value, "a threshold must be a single value");
    snprintf(name, sizeof(name), "%s.%s", rule, key);
    int rc = analysis_option_set(&reader->config->analysis, name, text, sentence, sizeof(sentence));
    if (rc == -ENOENT) {
        char what[KEY_SIZE];
        snprintf(what, sizeof(what), "threshold of %s", rule);
        return complain_key(reader, key_node, key, what, names, threshold_names(rule, names, NAMES_MAX));
    }
    return rc < 0 ? complain(reader, value, sentence) : 0;
}

static int rule_read(struct reader *reader, const char *context, const char *key, const yaml_node_t *key_node,
                     const yaml_node_t *value)
{
    const char *names[NAMES_MAX];
    size_t count = 0;

    (void)context;
    for (size_t i = 0; i < analysis_rule_count() && count < NAMES_MAX; i++) {
        names[count++] = analysis_rule_at(i).name;
        if (strcmp(names[count - 1], key) == 0)
            return mapping_read(reader, value, "a rule", threshold_read, key);
    }
    return complain_key(reader, key_node, key, "rule", names, count);
}

static int rules_read(struct reader *reader, const yaml_node_t *value)
{
    return mapping_read(reader, value, "rules:", rule_read, NULL);
}

static int suppressions_read(struct reader *reader, const yaml_node_t *value)
{
    if (value->type != YAML_SEQUENCE_NODE)
        return complain(reader, value, "suppressions: must be a list, as in [\"non-yielding-io:*views.py\"]");
    for (yaml_node_item_t *item = value->data.sequence.items.start; item < value->data.sequence.items.top; item++) {
        const yaml_node_t *node = yaml_document_get_node(&reader->document, *item);
        const char *text = scalar_text(node);
        if (!text)
            return complain(reader, node, "a suppression must be text of the form rule:pattern, in quotes");
        int rc = suppressions_add(&reader->config->suppressions, text, reader->path, node_line(node), reader->error,
                                  reader->error_size);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int fail_on_read(struct reader *reader, const yaml_node_t *value)
{
    char list[ERROR_SIZE] = "", sentence[ERROR_SIZE / 2];
    const char *single = scalar_text(value);

    if (single) {
        snprintf(list, sizeof(list), "%s", single);
    } else if (value->type == YAML_SEQUENCE_NODE) {
        for (yaml_node_item_t *item = value->data.sequence.items.start; item < value->data.sequence.items.top; item++) {
            const yaml_node_t *node = yaml_document_get_node(&reader->document, *item);
            size_t length = strlen(list);
            if (!scalar_text(node))
                return complain(reader, node, "fail_on: must name rules and severities");
            snprintf(list + length, sizeof(list) - length, "%s,", scalar_text(node));
        }
    } else {
        return complain(reader, value, "fail_on: must be a list of rules and severities");
    }
    if (fail_on_parse(&reader->config->fail_on, list, sentence, sizeof(sentence)) < 0)
        return complain(reader, value, sentence);
    reader->config->has_fail_on = true;
    return 0;
}

static int allowance_key_read(struct reader *reader, const char *context, const char *key, const yaml_node_t *key_node,
                              const yaml_node_t *value)
{
    static const char *const names[] = {"peer", "process"};
    const char *text = scalar_text(value);

    (void)context;
    if (strcmp(key, names[0]) != 0 && strcmp(key, names[1]) != 0)
        return complain_key(reader, key_node, key, "key of an allowed peer", names, ARRAY_SIZE(names));
    if (!text)
        return complain(reader, value, "peer: and process: must be a single value each");
    *(key[1] == 'e' ? &reader->allowance.peer : &reader->allowance.process) = text;
    return 0;
}

static int allowance_read(struct reader *reader, const yaml_node_t *node)
{
    char sentence[ERROR_SIZE / 2];
    int rc = 0;

    reader->allowance = (struct allowance){.peer = scalar_text(node)};
    if (!reader->allowance.peer)
        rc = mapping_read(reader, node, "an allowed peer", allowance_key_read, NULL);
    if (rc < 0)
        return rc;
    if (!reader->allowance.peer)
        return complain(reader, node,
                        "an allowed peer needs peer:, as in {peer: \"mysql://db\", process: \"celery*\"}");
    rc = policy_allow(reader->config->policy, reader->allowance.peer, reader->allowance.process, sentence,
                      sizeof(sentence));
    return rc < 0 ? complain(reader, node, sentence) : 0;
}

static int connect_key_read(struct reader *reader, const char *context, const char *key, const yaml_node_t *key_node,
                            const yaml_node_t *value)
{
    static const char *const names[] = {"mode", "allow"}, *const modes[] = {"enforce", "list"};
    const char *text = scalar_text(value);

    (void)context;
    if (strcmp(key, "mode") == 0) {
        if (!text || (strcmp(text, modes[0]) != 0 && strcmp(text, modes[1]) != 0))
            return complain_key(reader, value, text ? text : "", "mode of connect:", modes, ARRAY_SIZE(modes));
        reader->list_only = strcmp(text, "list") == 0;
        return 0;
    }
    if (strcmp(key, "allow") != 0)
        return complain_key(reader, key_node, key, "key in connect:", names, ARRAY_SIZE(names));
    if (value->type != YAML_SEQUENCE_NODE)
        return complain(reader, value, "allow: must be a list of peers, as in [\"redis://127.0.0.1:6379\"]");
    for (yaml_node_item_t *item = value->data.sequence.items.start; item < value->data.sequence.items.top; item++) {
        int rc = allowance_read(reader, yaml_document_get_node(&reader->document, *item));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int connect_read(struct reader *reader, const yaml_node_t *value)
{
    reader->list_only = false;
    reader->config->policy = policy_new();
    int rc = mapping_read(reader, value, "connect:", connect_key_read, NULL);
    reader->config->analysis.policy = reader->list_only ? NULL : reader->config->policy;
    return rc;
}

/* To add a section: a row here. */
static const struct section sections[] = {
    {"record", record_read},   {"rules", rules_read},     {"suppressions", suppressions_read},
    {"fail_on", fail_on_read}, {"connect", connect_read},
};

static int section_read(struct reader *reader, const char *context, const char *key, const yaml_node_t *key_node,
                        const yaml_node_t *value)
{
    const char *names[ARRAY_SIZE(sections)];

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
        names[i] = sections[i].key;
        if (strcmp(key, names[i]) == 0)
            return sections[i].read(reader, value);
    }
    return complain_key(reader, key_node, key, "key", names, ARRAY_SIZE(sections));
}

static int parser_failed(struct reader *reader, const yaml_parser_t *parser)
{
    const char *problem = parser->problem ? parser->problem : "not valid YAML";
    return error_set(reader->error, reader->error_size, -EINVAL, "%s:%zu: %s", reader->path,
                     parser->problem_mark.line + 1, problem);
}

/* A second document in the same file would have no effect. */
static int end_check(struct reader *reader, yaml_parser_t *parser)
{
    yaml_document_t next;
    int rc = 0;

    if (!yaml_parser_load(parser, &next))
        return parser_failed(reader, parser);
    const yaml_node_t *root = yaml_document_get_root_node(&next);
    if (root)
        rc = complain(reader, root, "a second YAML document has no effect; join the two");
    yaml_document_delete(&next);
    return rc;
}

int config_load(struct config *config, const char *path, char *error, size_t error_size)
{
    struct reader reader = {.config = config, .path = path, .error = error, .error_size = error_size};
    yaml_parser_t parser;
    int rc = 0;

    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(error, error_size, -errno, "cannot read configuration %s: %s", path, strerror(errno));
    if (!yaml_parser_initialize(&parser))
        memory_need(NULL);
    yaml_parser_set_input_file(&parser, file);
    if (!yaml_parser_load(&parser, &reader.document)) {
        rc = parser_failed(&reader, &parser);
        goto out;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&reader.document);
    if (root)
        rc = mapping_read(&reader, root, "the configuration", section_read, NULL);
    if (rc == 0 && root)
        rc = end_check(&reader, &parser);
    yaml_document_delete(&reader.document);
out:
    yaml_parser_delete(&parser);
    fclose(file);
    return rc;
}
