/* The engine within the process: it numbers messages and answers at once. Nothing survives the process; a new
 * one is a new generation. */
#ifndef WSPUSH_ENGINE_MEMORY_H
#define WSPUSH_ENGINE_MEMORY_H

#include "push/engine.h"

extern const struct engine_ops engine_memory;

#endif
