/* Which requests another site may have caused. */
#include <criterion/criterion.h>

#include "http/origin.h"

static const char trusted[] = "https://a.example,https://b.example:8443";

static const struct {
    const char *what;
    struct origin_claims claims;
    bool is_allowed;
} cases[] = {
    {"a safe method from anywhere", {"GET", "cross-site", "https://evil.example", "m.example", false}, true},
    {"the page itself", {"POST", "same-origin", "https://m.example", "m.example", false}, true},
    {"the visitor himself, as from a bookmark", {"POST", "none", NULL, "m.example", false}, true},
    {"another site", {"POST", "cross-site", "https://evil.example", "m.example", false}, false},
    {"a sister site", {"DELETE", "same-site", "https://other.m.example", "m.example", false}, false},
    {"a site that claims our origin but is cross-site",
     {"POST", "cross-site", "https://m.example", "m.example", false},
     false},
    {"an origin that is trusted", {"POST", "cross-site", "https://a.example", "m.example", false}, true},
    {"an origin that is trusted, with its port",
     {"PUT", "cross-site", "https://b.example:8443", "m.example", false},
     true},
    {"a trusted host on another port", {"PUT", "cross-site", "https://b.example", "m.example", false}, false},
    {"a beginning of a trusted origin", {"PUT", "cross-site", "https://a.exampl", "m.example", false}, false},
    {"an old browser on the page", {"POST", NULL, "http://m.example:8080", "m.example:8080", false}, true},
    {"an old browser on another site", {"POST", NULL, "http://evil.example", "m.example", false}, false},
    {"a sandboxed frame", {"POST", NULL, "null", "m.example", false}, false},
    {"no browser", {"POST", NULL, NULL, "m.example", false}, true},
    {"an old browser on the page, over TLS", {"POST", NULL, "https://m.example", "m.example", true}, true},
    {"an old browser on the page without TLS", {"POST", NULL, "http://m.example", "m.example", true}, false},
    {"an old browser on the page with TLS, which ends before us",
     {"POST", NULL, "https://m.example", "m.example", false},
     false},
    {"another port", {"POST", NULL, "http://m.example:8081", "m.example:8080", false}, false},
    {"the scheme's own port, told", {"POST", NULL, "https://m.example", "m.example:443", true}, true},
    {"the scheme's own port, told by the origin", {"POST", NULL, "http://m.example:80", "m.example", false}, true},
    {"the other scheme's port", {"POST", NULL, "http://m.example:443", "m.example", false}, false},
    {"capitals", {"POST", NULL, "HTTP://M.Example", "m.example", false}, true},
    {"a beginning of our name", {"POST", NULL, "http://m.exampl", "m.example", false}, false},
    {"our name as a beginning", {"POST", NULL, "http://m.example.evil", "m.example", false}, false},
    {"an address", {"POST", NULL, "http://[::1]:8080", "[::1]:8080", false}, true},
    {"an origin without a host", {"POST", NULL, "http://", "m.example", false}, false},
    {"no origin at all in the field", {"POST", NULL, "", "m.example", false}, false},
    {"a request without Host", {"POST", NULL, "http://m.example", NULL, false}, false},
    {"OPTIONS from anywhere", {"OPTIONS", "cross-site", "https://evil.example", "m.example", false}, true},
    {"HEAD from anywhere", {"HEAD", "cross-site", NULL, "m.example", false}, true},
    {"an unknown method from anywhere", {"PATCH", "cross-site", "https://evil.example", "m.example", false}, false},
    {"Sec-Fetch-Site before Origin", {"POST", "same-origin", "https://evil.example", "m.example", false}, true},
    {"an empty word", {"POST", "", NULL, "m.example", false}, false},
    {"an unknown word", {"POST", "sometimes", NULL, "m.example", false}, false},
};

Test(origin, only_our_own_and_trusted_origins_may_change_something)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_eq(origin_allows(&cases[i].claims, trusted), cases[i].is_allowed, "%s", cases[i].what);
    cr_expect_not(origin_allows(&cases[6].claims, NULL), "nothing is trusted unless it is named");
}

Test(origin, an_unsafe_request_that_says_nothing_is_known)
{
    cr_expect(origin_is_missing(&(struct origin_claims){"POST", NULL, NULL, "m.example", false}));
    cr_expect_not(origin_is_missing(&(struct origin_claims){"GET", NULL, NULL, "m.example", false}));
    cr_expect_not(origin_is_missing(&(struct origin_claims){"POST", "none", NULL, "m.example", false}));
    cr_expect_not(origin_is_missing(&(struct origin_claims){"POST", NULL, "http://m.example", "m.example", false}));
}

Test(origin, a_host_is_one_of_the_list_with_any_port)
{
    static const char hosts[] = "m.example,[::1],127.0.0.1";
    static const char *const served[] = {"m.example", "M.EXAMPLE", "m.example:8080",
                                         "[::1]",     "[::1]:80",  "127.0.0.1:1"};
    static const char *const others[] = {"",     "evil.example",   "m.example.evil",  "m.exampl", "[::2]",
                                         "[::1", "127.0.0.1.evil", "m.example,[::1]", ":80"};
    for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++)
        cr_expect(host_is_served(served[i], hosts), "%s", served[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        cr_expect_not(host_is_served(others[i], hosts), "%s", others[i]);
    cr_expect_not(host_is_served(NULL, hosts));
    cr_expect(host_is_served(NULL, NULL));
    cr_expect(host_is_served("evil.example", ""));
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
