/* A look into Redis itself, past the proxy: what is stored. May be used by any thread. */
#ifndef MODEL_LOOK_H
#define MODEL_LOOK_H

struct look_glass;

struct look_glass *look_open(const char *redis_path);
void look_close(struct look_glass *glass);

/* Writes all fields of the session's record into the journal. */
void look_at(struct look_glass *glass, const char *rid);

/* The state of the task ("done"...), as a text for the caller to free; NULL: there is none of that id. */
char *look_task_state(struct look_glass *glass, const char *id);

/* Ends the connections of all others, so that they come again. */
void look_end_connections(struct look_glass *glass);

#endif
