import "../styles/index.css";

import { AttendancePage } from "./AttendancePage";
import { HomePage } from "./HomePage";
import { JoinPage } from "./JoinPage";
import { LibraryPage } from "./LibraryPage";
import { CrashPage, Crashed, ProblemPage } from "./problems";
import { navigate, parseRoute, usePath } from "./router";
import { ResultsPage } from "./ResultsPage";
import { SignInPage } from "./SignInPage";
import { TeacherPage } from "./TeacherPage";
import { Language } from "./text";
import { LibraryVideoPage, WatchPage } from "./VideoPage";

/** The whole site; chooses the page by path. */
export function App() {
  return (
    <Language>
      <Crashed fallback={<CrashPage />}>
        <Chosen />
      </Crashed>
    </Language>
  );
}

function Chosen() {
  const path = usePath();
  const route = parseRoute(path);
  switch (route.page) {
    case "home":
      return <HomePage />;
    case "sign_in":
      return <SignInPage />;
    case "teacher":
      return <TeacherPage />;
    case "attendance":
      return <AttendancePage key={route.lesson} lesson={route.lesson} />;
    case "results":
      return <ResultsPage key={route.lesson} lesson={route.lesson} />;
    case "join":
      return <JoinPage key={route.code} code={route.code} />;
    case "library":
      return <LibraryPage />;
    case "video":
      return <LibraryVideoPage key={route.video} video={route.video} />;
    case "watch":
      return <WatchPage key={route.code} code={route.code} />;
    case "expired":
      return (
        <ProblemPage
          code="address_expired"
          onAgain={() => {
            navigate(`/library/${route.video}`, "replace");
          }}
        />
      );
    case "nothing":
      return <ProblemPage code="not_found" />;
  }
}
