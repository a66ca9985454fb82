/**
 * The performance study. One question a file; every class has a control, without which its numbers would mean nothing; what was
 * learnt stands in the class's documentation, the numbers in {@code jmh/README.md}.
 */
package dev.panamba.jmh;
