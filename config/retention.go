package config

// Retention says how long what has ended is kept.
type Retention struct {
	Executions       Duration `yaml:"executions" doc:"How long executions that have ended are kept, with their output, results, task records, inquiries and enforcements. 0 keeps them for ever, as do the other keys here; what has not ended stays in any case."`
	TriggerInstances Duration `yaml:"trigger_instances" doc:"How long the events that came in are kept, with the enforcements of their rules. Backtests of rules look at these."`
	Enforcements     Duration `yaml:"rule_enforcements" doc:"How long it is kept which rule an event set off."`
	DeadLetters      Duration `yaml:"dead_letters" doc:"How long work that was given up is kept for people to look at."`
}
