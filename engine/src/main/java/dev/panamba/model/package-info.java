/**
 * Language models: a {@link dev.panamba.model.Config} says what one is, {@link dev.panamba.model.Network} emits it from layers,
 * {@link dev.panamba.model.Weights} are its parameters, {@link dev.panamba.model.ModelFiles} reads and writes all of it, {@link dev.panamba.model.Presets} names the configurations of the
 * paper (arXiv 2401.04081) and smaller ones, and {@link dev.panamba.model.Initialisation} draws first weights as its authors did.
 */
package dev.panamba.model;
