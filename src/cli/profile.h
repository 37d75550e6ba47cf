// SPDX-License-Identifier: MIT
//
// What a run took, step by step.
#ifndef VKA_CLI_PROFILE_H
#define VKA_CLI_PROFILE_H

#include "cli/cli.h"

void profile_print(const vka_report *report);
void profile_json(const vka_report *report); // an object, on one line

#endif
