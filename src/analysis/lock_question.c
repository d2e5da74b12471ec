/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/lock_question.h"

#include "analysis/lock_replay.h"
#include "analysis/round.h"

#define OPERATIONS_MIN 20 /* recorded in windows, of which anything can be said */

/*
 * A thread that was woken needs a CPU and the interpreter before it goes on. Where locks are at stake those that have
 * the interpreter soon want the lock too and let it go, so this is at the low end of how long threads were seen to wait
 * for the interpreter, and not longer than a wake-up takes: about 50 µs, with which the replay was compared. For the
 * same reason an operation from which the interpreter was taken goes on after one thread has come as far as the lock:
 * two hand-overs, or as long as others like it take in all. But where many stand still they do so of their own accord,
 * for they wait for something inside (I/O of __missing__), and would with the lock as well.
 */
#define HANDOVER_QUANTILE 0.05
#define HANDOVER_MOST_NS 50000
#define STOOD_HANDOVERS 2
#define STOOD_OFTEN 0.2

#define FACTOR_MOST 100.0 /* by how much the windows may be corrected */

static const double speeds[] = {1, 2, 5, 10};
static const char *const lock_names[REPLAY_LOCKS] = {"one lock", "16 striped locks", "read-write lock"};
static const char *const columns[] = {"rate",        "operations_per_s", "busy",        "waits",      "wait_mean_ns",
                                      "wait_p50_ns", "wait_p99_ns",      "wait_max_ns", "queue_mean", "queue_max"};
enum { SPEEDS = sizeof(speeds) / sizeof(speeds[0]), COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static const struct lock_row *interpreter_lock(const struct model *model, const struct model_process *process)
{
    for (size_t i = 0; i < model->locks.index.count; i++) {
        const struct lock_row *row = &model->locks.rows[i];
        if (row->process == process && row->kind == LOCK_KIND_GIL)
            return row;
    }
    return NULL;
}

static uint64_t handover_ns(const struct model *model, const struct model_process *process)
{
    const struct lock_row *gil = interpreter_lock(model, process);
    if (!gil || histogram_weight(&gil->waits) < 1)
        return HANDOVER_MOST_NS;
    uint64_t least = histogram_quantile(&gil->waits, HANDOVER_QUANTILE);
    return least < HANDOVER_MOST_NS ? least : HANDOVER_MOST_NS;
}

static struct replay_setup setup_of(const struct model *model, const struct watched_object *object)
{
    const uint32_t number = (uint32_t)(object - model->watched.objects);
    const struct watched_standing standing = watched_windows_standing(&model->watched.windows, number);
    uint64_t handover = handover_ns(model, object->process), stood = STOOD_HANDOVERS * handover;
    if (standing.share > STOOD_OFTEN)
        stood = UINT64_MAX;
    else if (standing.usual_ns > stood)
        stood = standing.usual_ns;
    return (struct replay_setup){
        .lock = REPLAY_ONE, .speed = 1, .interpreter = true, .handover_ns = handover, .stood_max_ns = stood};
}

static struct replay_result replay(const struct model *model, const struct watched_object *object,
                                   const struct replay_setup *setup)
{
    struct replay_result result = {0};
    uint32_t number = (uint32_t)(object - model->watched.objects);
    watched_windows_replay(&model->watched.windows, number, setup, &result);
    return result;
}

/*
 * Windows are samples: they open when there is something to record, and hold by chance too few or too many of what is
 * rare. How many operations there were, how long they took, and how many found another one inside is known exactly.
 * Factors from the windows to what is known.
 */
struct factors {
    double rate; /* operations in time */
    double busy;
    double met; /* operations that would wait */
};

/* How long one operation would have the lock: exactly as long as it took where none ever stood still for another one.
 */
static double held_ns(const struct watched_object *object, const struct replay_result *result)
{
    double windows = result->busy_ns / (double)result->operations;
    double exact = (double)object->busy_ns / (double)object->operations;
    return object->found_inside == 0 || exact < windows ? exact : windows;
}

static double factor_of(double exact, double windows)
{
    double factor = windows > 0 && exact > 0 ? exact / windows : 1;
    return factor < 1 / FACTOR_MOST ? 1 / FACTOR_MOST : factor > FACTOR_MOST ? FACTOR_MOST : factor;
}

static struct factors factors_of(const struct model *model, const struct watched_object *object,
                                 const struct replay_result *result)
{
    double span = object->last_ns > object->first_ns ? (double)(object->last_ns - object->first_ns) : 0;
    double count = (double)result->operations, exact = (double)object->operations;
    uint64_t met = watched_windows_met(&model->watched.windows, (uint32_t)(object - model->watched.objects));
    if (span <= 0 || result->time_ns <= 0 || exact <= 0 || count <= 0)
        return (struct factors){1, 1, 1};
    return (struct factors){.rate = factor_of(exact / span, count / result->time_ns),
                            .busy =
                                factor_of(held_ns(object, result) * exact / span, result->busy_ns / result->time_ns),
                            .met = factor_of((double)object->found_inside / exact, (double)met / count)};
}

static double share(double part, double all)
{
    double share = all > 0 ? part / all : 0;
    return share < 1 ? share : 1;
}

/* A quantile of all operations, where waits are `factor` times as frequent as they were in the replay. */
static uint64_t wait_quantile(const struct replay_result *result, double quantile, double factor)
{
    double beyond = (1 - quantile) / factor;
    uint64_t wait = beyond < 1 ? histogram_quantile(&result->waits, 1 - beyond) : 0;
    return wait < result->wait_max_ns ? wait : result->wait_max_ns;
}

static struct lock_answer answer_of(const struct replay_result *result, enum replay_lock lock, struct factors factors)
{
    double count = result->operations ? (double)result->operations : 1;
    return (struct lock_answer){
        .busy = share(replay_utilisation(result, lock) * factors.busy, 1),
        .waits = share((double)result->queued * factors.met, count),
        .mean_ns = round_whole(result->wait_ns * factors.met / count),
        .p50_ns = wait_quantile(result, 0.5, factors.met),
        .p99_ns = wait_quantile(result, 0.99, factors.met),
        .max_ns = result->wait_max_ns,
    };
}

bool lock_question_answer(struct model *model, const struct watched_object *object, struct lock_answer *answer)
{
    struct replay_setup setup = setup_of(model, object);
    struct replay_result result = replay(model, object, &setup);
    bool enough = result.operations >= OPERATIONS_MIN;
    if (enough)
        *answer = answer_of(&result, REPLAY_ONE, factors_of(model, object, &result));
    replay_result_free(&result);
    return enough;
}

static void row_fill(struct table *table, enum replay_lock lock, double speed, const struct replay_result *result,
                     struct factors factors)
{
    struct lock_answer answer = answer_of(result, lock, factors);
    double *cells = &table->cells[table->rows * table->column_count];
    const double row[COLUMNS] = {speed,
                                 result->time_ns > 0 ? (double)result->operations * factors.rate / result->time_ns * 1e9
                                                     : 0,
                                 answer.busy,
                                 answer.waits,
                                 (double)answer.mean_ns,
                                 (double)answer.p50_ns,
                                 (double)answer.p99_ns,
                                 (double)answer.max_ns,
                                 replay_queue_mean(result),
                                 (double)result->queue_max};
    for (size_t i = 0; i < COLUMNS; i++)
        cells[i] = row[i];
    table->names[table->rows++] = lock_names[lock];
}

static struct table *table_make(struct model *model, const struct watched_object *object, struct replay_setup setup,
                                struct factors factors)
{
    struct table *table = arena_get(model->arena, sizeof(*table));
    *table = (struct table){.name = "lock", .columns = columns, .column_count = COLUMNS};
    table->names = arena_get(model->arena, REPLAY_LOCKS * SPEEDS * sizeof(*table->names));
    table->cells = arena_get(model->arena, REPLAY_LOCKS * SPEEDS * COLUMNS * sizeof(*table->cells));
    for (size_t lock = 0; lock < REPLAY_LOCKS; lock++) {
        for (size_t i = 0; i < SPEEDS; i++) {
            setup.lock = (enum replay_lock)lock;
            setup.speed = speeds[i];
            struct replay_result result = replay(model, object, &setup);
            row_fill(table, setup.lock, setup.speed, &result, factors);
            replay_result_free(&result);
        }
    }
    return table;
}

static const char *answer_words(const struct lock_answer *answer, struct arena *arena)
{
    const char *busy = words_share(answer->busy, arena);
    if (answer->max_ns == 0)
        return arena_format(arena, "would be busy %s of the time, and nobody would wait", busy);
    return arena_format(arena, "would be busy %s of the time, p99 wait %s, longest %s", busy,
                        words_duration(answer->p99_ns, arena), words_duration(answer->max_ns, arena));
}

void lock_question_evidence(struct model *model, const struct watched_object *object, struct finding *finding)
{
    struct replay_setup setup = setup_of(model, object);
    struct replay_result result = replay(model, object, &setup);
    struct factors factors = factors_of(model, object, &result);
    struct lock_answer answer = answer_of(&result, REPLAY_ONE, factors);
    uint64_t operations = result.operations;
    replay_result_free(&result);
    if (operations < OPERATIONS_MIN)
        return;
    evidence_text(finding, "one_lock", answer_words(&answer, model->arena));
    evidence_ratio(finding, "one_lock_busy", answer.busy);
    evidence_ratio(finding, "one_lock_waits", answer.waits);
    evidence_time(finding, "one_lock_wait_mean_ns", answer.mean_ns);
    evidence_time(finding, "one_lock_wait_p50_ns", answer.p50_ns);
    evidence_time(finding, "one_lock_wait_p99_ns", answer.p99_ns);
    evidence_time(finding, "one_lock_wait_max_ns", answer.max_ns);
    evidence_count(finding, "replayed", operations);
    evidence_table(finding, "locks_replayed", table_make(model, object, setup, factors));
}
