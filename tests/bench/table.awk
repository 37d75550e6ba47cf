# SPDX-License-Identifier: MIT
# The CSV of tests/bench/peers.sh as Markdown: what was compared, then a table for the CPU and one
# for Vulkan. A ratio is the best peer's time divided by vkattn's: above 1, vkattn is faster.
BEGIN { FS = "," }
/^# made by / { print substr($0, index($0, ", ") + 2) "." }
/^# [0-9]+ threads?,/ { print toupper(substr($0, 3, 1)) substr($0, 4) ".\n" }
/^# [a-z-]+: / {
    name = $0
    sub(/^# /, "", name)
    about = name
    sub(/:.*/, "", name)
    sub(/^[^:]*: /, "", about)
    print "- `" name "`: " about
    if (name ~ /-vulkan$/)
        gpu[++gpus] = name
    else
        cpu[++cpus] = name
}
/^W[0-9]/ {
    if (!($1 in flop))
        work[++works] = $1
    flop[$1] = $10
    floor_of[$1] = $12
    ms[$1, $2] = $3
    why[$1, $2] = $13
    temporaries[$1, $2] = $9
}

function shown(time) {
    return time == "" ? "-" : sprintf(time < 10 ? "%.2f" : time < 100 ? "%.1f" : "%.0f", time)
}

# The best time of the others; "" where there is none.
function best(w, list, count, own,    i, t, found) {
    found = ""
    for (i = 1; i <= count; i++) {
        t = ms[w, list[i]]
        if (list[i] != own && t != "" && (found == "" || t + 0 < found + 0))
            found = t
    }
    return found
}

function ratio(w, list, count, own,    other) {
    other = best(w, list, count, own)
    return other == "" || ms[w, own] == "" ? "-" : sprintf("%.2f", other / ms[w, own])
}

function table(title, list, count, own, more,    i, j, t) {
    printf "\n| %s, ms |", title
    for (i = 1; i <= count; i++)
        printf " %s |", list[i]
    printf " ratio |%s\n|---|", more ? " GFLOP/s | of the limit | temporaries, KiB |" : ""
    for (i = 1; i <= count + 1 + 3 * more; i++)
        printf "--:|"
    print ""
    for (j = 1; j <= works; j++) {
        printf "| %s |", work[j]
        for (i = 1; i <= count; i++)
            printf " %s |", shown(ms[work[j], list[i]])
        printf " %s |", ratio(work[j], list, count, own)
        t = ms[work[j], own]
        if (more)
            printf t == "" ? " - | - | - |" : " %.0f | %s | %.0f |", flop[work[j]] / t / 1e6,
                floor_of[work[j]] == "" ? "-" : sprintf("%.0f %%", 100 * floor_of[work[j]] / t),
                temporaries[work[j], own] / 1024
        print ""
    }
}

END {
    table("CPU", cpu, cpus, "vkattn", 1)
    if (gpus)
        table("Vulkan", gpu, gpus, "vkattn-vulkan", 0)
}
