// SPDX-License-Identifier: MIT
//
// A display that nobody sees (Xvfb), and a user before it.
#ifndef TESTS_DISPLAY_H
#define TESTS_DISPLAY_H

#include <stdbool.h>

// Sets DISPLAY. False: Xvfb isn't installed; any other fault is said and false, too.
bool display_start(void);
void display_stop(void);

// The user, once the one window is there. Each returns false where nothing came of it in time.
bool user_sits_down(void);
bool user_waits(void); // until the window's title is another
bool user_resizes(int width, int height);
bool user_hides(void); // and shows again
bool user_presses(const char *key);
bool user_closes(void);
void user_leaves(void);

#endif
