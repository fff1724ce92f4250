/* base/banned.h - functions nobody calls here: they overrun, keep hidden state or are not
 * thread-safe.
 *
 * Every file gets it: the build passes it with -include, so that a use breaks the build. Instead:
 * snprintf or base/buf for text, strtok_r for splitting, gmtime_r or base/clock for time. */
#pragma once

/* First the headers that declare and define them; after the poison no header may speak of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef strtok

#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets
#pragma GCC poison gmtime localtime asctime ctime
