/*
 * Kills workers at random (SIGKILL), and stops others for a while (SIGSTOP), as a machine does that is out of breath: a
 * task's worker that was stopped for longer than its lease goes on with a task that is another's by then.
 *
 * Each is a line of the journal ("! kill PID", "! pause PID", "! resume PID").
 */
#ifndef MODEL_KILLER_H
#define MODEL_KILLER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct killer;

/* The workers of these masters, of which there are `count`; every `pause_ms`, on the average (0: never). */
struct killer *killer_new(const pid_t *masters, size_t count, uint64_t seed, uint32_t pause_ms);

/* Does what is due. To be called again and again. */
void killer_turn(struct killer *killer);

/* Nobody is stopped any more. */
void killer_calm(struct killer *killer);

size_t killer_kills(const struct killer *killer);
size_t killer_pauses(const struct killer *killer);
void killer_free(struct killer *killer);

#endif
