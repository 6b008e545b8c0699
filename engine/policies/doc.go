// Package policies decides how many executions of an action may run at a time
// and whether one that failed is tried again. It is pure: it knows neither the
// store nor the clock. The pipeline records what it decides.
package policies
