import { useState } from "react";

import { Film } from "./icons";
import { codeOf, navigate } from "./router";
import { useText } from "./text";
import { Field, Link, Page } from "./widgets";

/** `/`: what this is, a way in for students with a code, a way in for teachers. */
export function HomePage() {
  const text = useText();
  const [pasted, setPasted] = useState("");
  const [wrong, setWrong] = useState(false);
  return (
    <Page title={text.home.title} wide>
      <div className="lesson-head">
        <h1>{text.home.title}</h1>
        <p className="lead">{text.home.lead}</p>
      </div>
      <div className="columns">
        <form
          className="card"
          onSubmit={(event) => {
            event.preventDefault();
            const code = codeOf(pasted);
            setWrong(code === null);
            if (code !== null) navigate(`/l/${code}`);
          }}
        >
          <h2>{text.home.student}</h2>
          <p className="note">{text.home.studentHelp}</p>
          <Field label={text.home.codeLabel} error={wrong ? text.home.codeBad : undefined}>
            {(ids) => (
              <input
                {...ids}
                type="text"
                autoComplete="off"
                autoCapitalize="none"
                spellCheck={false}
                data-testid="code-input"
                value={pasted}
                onChange={(event) => {
                  setPasted(event.target.value);
                  setWrong(false);
                }}
              />
            )}
          </Field>
          <button type="submit" className="button primary" data-testid="go-to-lesson">
            {text.home.go}
          </button>
        </form>
        <section className="card">
          <h2>{text.home.teacher}</h2>
          <p className="note">{text.home.teacherHelp}</p>
          <Link to="/teacher" className="button" testId="to-teacher">
            {text.home.toLessons}
          </Link>
        </section>
      </div>
      <p>
        <Link to="/library" className="button quiet" testId="to-library">
          <Film />
          {text.library.title}
        </Link>
      </p>
    </Page>
  );
}
