/* The tests of base/cow once more, with transaction stamps that run out every few transactions: in
 * production that takes four billion of them. */
#define COW_STAMP_MAX 9

#include "base/cow.c" /* NOLINT(bugprone-suspicious-include) */
#include "test_cow.c" /* NOLINT(bugprone-suspicious-include) */
