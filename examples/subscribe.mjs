// Prints every update of a feed, once: node subscribe.mjs "http://127.0.0.1:8080/v1/feed?since=0"
const [feed] = process.argv.slice(2);
const end = (why) => (console.error(why), process.exit(1));
if (!URL.canParse(feed)) end('usage: node subscribe.mjs "http://127.0.0.1:8080/v1/feed?since=0"');
let cursor = "", pause = 3000;
for (;;) {
  try {
    const answer = await fetch(feed, { headers: { "Last-Event-ID": cursor } });
    const { status } = answer, type = answer.headers.get("content-type");
    // It would say the same for ever; 429 is "later", and 500 and more may pass.
    if (status >= 400 && status < 500 && status !== 429) end(`${feed} does not answer: ${status}`);
    if (status === 200 && !type?.startsWith("text/event-stream")) end(`${feed} is no feed: it answers ${type}`);
    let text = "";
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      const events = (text += chunk).split("\n\n");
      text = events.pop(); // an empty line ends an event: what is left has not come whole
      for (const lines of events) {
        const fields = Object.fromEntries(lines.split("\n").map((line) => line.split(/: (.*)/)));
        pause = fields.retry ?? pause;
        if (fields.data && [undefined, "reset"].includes(fields.event)) console.log(fields.data);
        cursor = fields.id ?? cursor;
      }
    }
  } catch (dropped) {
    console.error(`${dropped}; coming back in ${pause} ms`);
  }
  await new Promise((resolve) => setTimeout(resolve, pause));
}
