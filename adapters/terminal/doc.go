// Package terminal is a small chat platform for one machine, and its adapter:
// people, channels, threads, direct messages, private (ephemeral) messages,
// buttons, selects, forms, files, a slash command and edits, over any stream
// connection. The program is its own server here, so that a conversation needs
// no account anywhere.
//
// [Server] is the room. People come in through sessions ([Server.Serve],
// [Server.ServeConn]); the program speaks through [adapters.Adapter]. What is
// said is kept in a [Journal]. The sub-package prompt is the other end: what a
// person has in their terminal.
//
// The package knows people, places and messages. It must not know commands,
// aliases or executions: the prefix it is given is for hints only.
//
// # Names
//
// A person is a login name of letters, digits, dots, dashes and underscores,
// and is who they say they are: whoever may open the socket is trusted. A channel
// is "#ops"; the conversation of a person with the bot is the channel "@ann",
// which ann herself calls "@petrel". Names are in lower case.
//
// # The session protocol
//
// One JSON object a line, in both directions, UTF-8. A line from a client holds
// at most [MaxRequest] bytes. The client sends [Request] objects and the server
// [Frame] objects. The first frame of a session is a welcome:
//
//	< {"is":"welcome","protocol":1,"bot":"petrel","prefix":"!"}
//	> {"do":"join","delivery":"d1","as":"ann","in":"#ops","earlier":10}
//	< {"is":"joined","delivery":"d1","as":"ann","in":"#ops","entries":[...]}
//	> {"do":"say","delivery":"d2","as":"ann","in":"#ops","text":"!run date on localhost"}
//	< {"is":"message","delivery":"d2","entry":{"id":"m7...","from":{"id":"ann",...},"text":"!run ..."}}
//	< {"is":"said","delivery":"d2","id":"m7...","disposition":"accepted"}
//	< {"is":"message","entry":{"id":"mk...","message":{"state":"working",...}}}
//	< {"is":"update","entry":{"id":"mk...","rev":1,"message":{"state":"succeeded",...}}}
//	> {"do":"press","delivery":"d3","as":"ann","id":"mk...","button":"again"}
//	< {"is":"said","delivery":"d3","id":"mk...","disposition":"accepted"}
//	> {"do":"call","delivery":"d6","as":"ann","in":"#ops","command":"petrel","text":"deploy"}
//	< {"is":"message","delivery":"d6","entry":{"id":"mq...","text":"/petrel deploy",...}}
//	< {"is":"said","delivery":"d6","id":"mq...","disposition":"accepted","form":{"id":"f1","inputs":[{"name":"env",...}]}}
//	> {"do":"submit","delivery":"d7","as":"ann","id":"mq...","form":"f1","values":{"env":"prod"}}
//	< {"is":"said","delivery":"d7","id":"mq...","disposition":"accepted","problems":{"env":"is frozen today"}}
//	> {"do":"press","delivery":"d8","as":"ann","id":"mk...","button":"env","choice":"qa"}
//	> {"do":"file","delivery":"d9","as":"ann","id":"mk...","name":"output.txt"}
//	< {"is":"file","delivery":"d9","id":"mk...","name":"output.txt","content":"aGkK"}
//	> {"do":"history","delivery":"d4","as":"ann","in":"#ops","earlier":50}
//	< {"is":"history","delivery":"d4","as":"ann","in":"#ops","entries":[...]}
//	> {"do":"who","delivery":"d5"}
//	< {"is":"who","delivery":"d5","people":[{"name":"ann","channels":["#ops"]}]}
//
// Every request carries a delivery: a random text of the client's own, at most
// [MaxDelivery] bytes, by which the answer is known. Each request has exactly
// one answer: joined, said, file, history, who, or
//
//	< {"is":"error","delivery":"d2","text":"petrel is busy, not accepted: ..."}
//
// A client that lost its connection sends its unanswered requests again with the
// same delivery: a line becomes one message and one event however often it is
// sent. Requests of a session are handled in the order they were sent.
//
// A session receives the messages of every channel it joined, as anybody, and
// what is said privately or directly to anybody it has been ("as"). What is said
// with the answer to a request (text, form, problems) is for its author alone. An entry has a
// revision; a frame with a revision not above the one already known is no news.
// A session that does not read for long is closed; it finds what it missed when
// it joins again.
package terminal
