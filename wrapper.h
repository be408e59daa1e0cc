/* What bindgen reads. What it cannot see (macros, inlines) is in c_shim/shim.h. */
#include "c_shim/shim.h"
