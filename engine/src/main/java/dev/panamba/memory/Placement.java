package dev.panamba.memory;

/** How the values of one plan are placed. The results are the same, bit for bit; only the first is for work. */
public enum Placement {
    /** Values whose lives do not overlap share bytes. */
    PACKED,
    /** As packed, and a value is filled with NaN (integers: with the smallest one) as soon as its life ends: a stale read shows. */
    POISON,
    /** As poisoned, and the results of every op are searched: the first that holds a NaN or an infinity is named. */
    CHECKED,
    /** No value shares bytes with another: a wrong life in the planner shows as a difference to packed. */
    SPREAD,
    /** As spread, and every value ends at a page that nobody may touch: an overrun stops the process at the instruction. */
    GUARDED
}
