/* Which requests another site may have caused. */
#include <criterion/criterion.h>

#include "http/origin.h"

static const char trusted[] = "https://a.example,https://b.example:8443";

static const struct {
    const char *what;
    struct origin_claims claims;
    bool is_allowed;
} cases[] = {
    {"a safe method from anywhere", {"GET", "cross-site", "https://evil.example", "m.example"}, true},
    {"the page itself", {"POST", "same-origin", "https://m.example", "m.example"}, true},
    {"the visitor himself, as from a bookmark", {"POST", "none", NULL, "m.example"}, true},
    {"another site", {"POST", "cross-site", "https://evil.example", "m.example"}, false},
    {"a sister site", {"DELETE", "same-site", "https://other.m.example", "m.example"}, false},
    {"a site that claims our origin but is cross-site",
     {"POST", "cross-site", "https://m.example", "m.example"},
     false},
    {"an origin that is trusted", {"POST", "cross-site", "https://a.example", "m.example"}, true},
    {"an origin that is trusted, with its port", {"PUT", "cross-site", "https://b.example:8443", "m.example"}, true},
    {"a trusted host on another port", {"PUT", "cross-site", "https://b.example", "m.example"}, false},
    {"a beginning of a trusted origin", {"PUT", "cross-site", "https://a.exampl", "m.example"}, false},
    {"an old browser on the page", {"POST", NULL, "http://m.example:8080", "m.example:8080"}, true},
    {"an old browser on another site", {"POST", NULL, "http://evil.example", "m.example"}, false},
    {"a sandboxed frame", {"POST", NULL, "null", "m.example"}, false},
    {"no browser", {"POST", NULL, NULL, "m.example"}, true},
    {"an unknown word", {"POST", "sometimes", NULL, "m.example"}, false},
};

Test(origin, only_our_own_and_trusted_origins_may_change_something)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_eq(origin_allows(&cases[i].claims, trusted), cases[i].is_allowed, "%s", cases[i].what);
    cr_expect_not(origin_allows(&cases[6].claims, NULL), "nothing is trusted unless it is named");
}

Test(origin, a_list_names_scheme_and_host_without_a_path)
{
    cr_expect(origin_list_is_valid(trusted));
    cr_expect(origin_list_is_valid("http://localhost:8080"));
    const char *bad[] = {"",
                         "a.example",
                         "https://",
                         "https://a.example/",
                         "https://a.example, https://b.example",
                         "https://a.example,",
                         "://a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(origin_list_is_valid(bad[i]), "\"%s\"", bad[i]);
}
