// SPDX-License-Identifier: MIT
//
// Xvfb as a child, and a client of it that does to a window what a user and a window manager do.
#include "display.h"

#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <X11/keysym.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 1200, TICK = 50000 }; // ticks of microseconds: a minute

static pid_t server;
static Display *display;
static Window window;
static char title[512];

// --- Xvfb ---

static void become_server(int tell)
{
    char fd[16];
    snprintf(fd, sizeof fd, "%d", tell);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (!freopen("/dev/null", "w", stderr))
        _exit(126);
    execlp("Xvfb", "Xvfb", "-displayfd", fd, "-screen", "0", "1024x768x24", "-nolisten", "tcp",
           (char *)NULL);
    _exit(127);
}

bool display_start(void)
{
    int ends[2];
    char name[32] = ":";
    if (pipe(ends) != 0)
        return false;
    server = fork();
    if (server == 0) {
        close(ends[0]);
        become_server(ends[1]);
    }
    close(ends[1]);
    // It writes its number and an end of line once it listens, or ends without.
    FILE *told = fdopen(ends[0], "r");
    bool listens = told && fgets(name + 1, sizeof name - 1, told) && strchr(name, '\n');
    if (told)
        fclose(told);
    name[strcspn(name, "\n")] = '\0';
    if (!listens)
        display_stop();
    return listens && setenv("DISPLAY", name, 1) == 0;
}

void display_stop(void)
{
    if (server <= 0)
        return;
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    server = 0;
}

// --- the user ---

static int pass_over(Display *of, XErrorEvent *error)
{
    (void)of, (void)error; // the window may go at any moment
    return 0;
}

// The window that has a class is the program's; SDL makes others that help it.
static Window find_window(void)
{
    Window root, parent, *list = NULL, found = 0;
    unsigned count = 0;
    XQueryTree(display, DefaultRootWindow(display), &root, &parent, &list, &count);
    for (unsigned i = 0; i < count; i++) {
        XWindowAttributes attributes;
        XClassHint hint;
        if (!XGetWindowAttributes(display, list[i], &attributes) ||
            attributes.map_state != IsViewable || !XGetClassHint(display, list[i], &hint))
            continue;
        found = list[i];
        XFree(hint.res_name);
        XFree(hint.res_class);
    }
    if (list)
        XFree(list);
    return found;
}

bool user_sits_down(void)
{
    display = XOpenDisplay(NULL);
    if (!display)
        return false;
    XSetErrorHandler(pass_over);
    title[0] = '\0';
    for (int i = 0; i < PATIENCE && !(window = find_window()); i++)
        usleep(TICK);
    return window != 0;
}

void user_leaves(void)
{
    if (display)
        XCloseDisplay(display);
    display = NULL;
}

bool user_waits(void)
{
    for (int i = 0; i < PATIENCE; i++) {
        char *now = NULL;
        bool another = XFetchName(display, window, &now) && strstr(now, "ms a frame") &&
                       strcmp(now, title) != 0;
        if (another)
            snprintf(title, sizeof title, "%s", now);
        if (now)
            XFree(now);
        if (another)
            return true;
        usleep(TICK);
    }
    return false;
}

bool user_resizes(int width, int height)
{
    XResizeWindow(display, window, (unsigned)width, (unsigned)height);
    XFlush(display);
    return user_waits() && user_waits(); // the first may be of before
}

bool user_hides(void)
{
    XUnmapWindow(display, window);
    XFlush(display);
    usleep(20 * TICK);
    XMapWindow(display, window);
    XFlush(display);
    return user_waits() && user_waits();
}

bool user_presses(const char *key)
{
    XEvent event = {.xkey = {.type = KeyPress,
                             .display = display,
                             .window = window,
                             .root = DefaultRootWindow(display),
                             .same_screen = True,
                             .keycode = XKeysymToKeycode(display, XStringToKeysym(key))}};
    XSendEvent(display, window, True, KeyPressMask, &event);
    event.xkey.type = KeyRelease;
    XSendEvent(display, window, True, KeyReleaseMask, &event);
    XFlush(display);
    return user_waits() && user_waits();
}

bool user_closes(void)
{
    XEvent event = {.xclient = {.type = ClientMessage,
                                .window = window,
                                .message_type = XInternAtom(display, "WM_PROTOCOLS", False),
                                .format = 32}};
    event.xclient.data.l[0] = (long)XInternAtom(display, "WM_DELETE_WINDOW", False);
    bool sent = XSendEvent(display, window, False, NoEventMask, &event);
    XFlush(display);
    return sent;
}
