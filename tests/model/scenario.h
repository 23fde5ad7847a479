/*
 * Scenarios: the scripts of the writers (app/script.h), chosen at random.
 *
 * A run's script depends on the seed and the run's number only, but for what the test has to tell it (a user's name).
 */
#ifndef MODEL_SCENARIO_H
#define MODEL_SCENARIO_H

#include "base/buffer.h"
#include "random.h"

enum scenario_kind { SCENARIO_REQUEST, SCENARIO_AFTER, SCENARIO_STREAM, SCENARIO_TASK, SCENARIO_KINDS };

/* What a run is for, besides its commits. */
enum scenario_end {
    END_PLAIN,
    END_LOGIN,  /* of another user */
    END_RENEW,  /* of the same user */
    END_LOGOUT, /* by the handler, or by the task */
};

struct scenario {
    enum scenario_kind kind;
    enum scenario_end end;
    unsigned lane;       /* which private fields are its own */
    unsigned long run;   /* its number */
    unsigned long task;  /* that of the task, if it adds one */
    const char *task_id; /* the same */
    const char *user;    /* of a login, or who is logged in; "": nobody */
};

/* A text, with a NUL behind, for the caller to free. */
char *scenario_write(const struct scenario *scenario, struct random *random);

/* The script that makes a session, and the one that repeats a login. */
char *scenario_write_new(unsigned long run);
char *scenario_write_login_again(unsigned long run, const char *user);

#endif
